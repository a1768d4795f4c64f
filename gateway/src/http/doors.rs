//! The connections of one listener: let in within its limits, and sent away when it stops.

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;

use futures_util::future::{BoxFuture, FutureExt as _, select};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use mezite_actors::{Latch, spawn_apart};

use super::gate::{Admission, ConnectionId, Gate, Served};

/// Most connections of a listener, and of one source among them.
const CONNECTIONS_MAX: usize = 1024;
const SOURCE_CONNECTIONS_MAX: usize = 256;

/// The connections that are open.
pub(super) struct Doors {
    gate: Gate,
    last: ConnectionId,
    cuts: HashMap<ConnectionId, Latch>,
    closed: FuturesUnordered<BoxFuture<'static, ConnectionId>>,
}

impl Doors {
    pub(super) fn new() -> Self {
        Self {
            gate: Gate::new(CONNECTIONS_MAX, SOURCE_CONNECTIONS_MAX),
            last: 0,
            cuts: HashMap::new(),
            closed: FuturesUnordered::new(),
        }
    }

    /// Runs a new connection as a task of its own, or drops it where there is no room.
    pub(super) fn open<F>(&mut self, source: IpAddr, connection: impl FnOnce(Served) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match self.gate.admission(source) {
            Admission::Admit => {}
            Admission::Replace(waiting) => self.cut(waiting),
            Admission::Refuse => return log::debug!(source:%; "too many connections"),
        }
        self.last += 1;
        let (id, cut, served) = (self.last, Latch::new(), Served::default());
        self.gate.insert(id, source, served.clone());
        self.cuts.insert(id, cut.clone());
        let work = connection(served);
        let task = spawn_apart("connection", async move {
            select(cut.wait(), Box::pin(work)).await;
        });
        self.closed.push(task.map(move |_| id).boxed());
    }

    /// Cuts a connection. It has left the gate at once, so that the next to be cut is another one.
    fn cut(&mut self, id: ConnectionId) {
        self.gate.remove(id);
        if let Some(cut) = self.cuts.remove(&id) {
            cut.set();
        }
    }

    /// Forgets a connection that has ended; waits while there is none.
    pub(super) async fn forget_closed(&mut self) {
        match self.closed.next().await {
            Some(id) => {
                self.gate.remove(id);
                self.cuts.remove(&id);
            }
            None => std::future::pending().await,
        }
    }

    /// Waits until all connections have ended; cuts them when `cut` is set.
    pub(super) async fn close(mut self, cut: &Latch) {
        let ended = async { while self.closed.next().await.is_some() {} };
        select(cut.wait(), Box::pin(ended)).await;
        self.cuts.values().for_each(Latch::set);
    }
}

#[cfg(test)]
mod tests {
    use mezite_actors::run;

    use super::*;

    /// Sets a latch when dropped.
    struct OnDrop(Latch);

    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.set();
        }
    }

    fn waiting(ended: &Latch) -> impl FnOnce(Served) -> BoxFuture<'static, ()> + use<> {
        let ended = OnDrop(ended.clone());
        move |_| {
            async move {
                let _ended = ended;
                std::future::pending::<()>().await;
            }
            .boxed()
        }
    }

    #[test]
    fn hostile_009_idle_connections_shut_nobody_out() {
        run(async {
            let mut doors = Doors::new();
            let source = "10.0.0.1".parse().unwrap();
            let first = Latch::new();
            doors.open(source, waiting(&first));
            for _ in 1..SOURCE_CONNECTIONS_MAX {
                doors.open(source, waiting(&Latch::new()));
            }
            assert!(!first.is_set());
            let served = Latch::new();
            let serve = served.clone();
            doors.open(source, |_| async move { serve.set() });
            // The newcomer is served, and the one that waited longest has made room.
            served.wait().await;
            first.wait().await;
        });
    }

    #[test]
    fn a_connection_that_ends_makes_room() {
        run(async {
            let mut doors = Doors::new();
            doors.open("10.0.0.1".parse().unwrap(), |_| async {});
            doors.forget_closed().await;
            assert!(doors.cuts.is_empty() && doors.closed.is_empty());
        });
    }

    #[test]
    fn closing_cuts_what_is_left_when_it_is_told_to() {
        run(async {
            let (mut doors, cut, ended) = (Doors::new(), Latch::new(), Latch::new());
            doors.open("10.0.0.1".parse().unwrap(), waiting(&ended));
            cut.set();
            doors.close(&cut).await;
            ended.wait().await;
        });
    }
}
