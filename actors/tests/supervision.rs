//! Supervision: a panic costs one message, restarts have a limit, everything is counted.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mezite_actors::{
    Actor, Addr, AskError, Context, Counters, Inbox, Kind, Latch, Rank, Refused, Reply, Supervisor, run,
};

const LONG: Duration = Duration::from_hours(1);

/// Counts; can be told to panic, to wait and to end.
struct Tester {
    total: u64,
}

enum Message {
    Add(u64),
    Total(Reply<u64>),
    Panic(Reply<u64>),
    /// Says that the handler has begun, then waits.
    Wait(Reply<()>, Latch),
    End,
}

impl Actor for Tester {
    const KIND: Kind = Kind { name: "tester", rank: Rank::Inventory, capacity: 4 };
    type Msg = Message;

    async fn handle(&mut self, message: Message, context: &mut Context<Message>) {
        match message {
            Message::Add(amount) => self.total += amount,
            Message::Total(reply) => reply.answer(self.total),
            Message::Panic(_reply) => panic!("on purpose"),
            Message::Wait(begun, go_on) => {
                begun.answer(());
                go_on.wait().await;
            }
            Message::End => context.end(),
        }
    }
}

async fn total(addr: &Addr<Message>) -> Result<u64, AskError> {
    addr.ask(Message::Total, LONG).await
}

async fn fail(addr: &Addr<Message>) -> Result<u64, AskError> {
    addr.ask(Message::Panic, LONG).await
}

/// Has the actor busy until the latch is set.
async fn occupy(addr: &Addr<Message>) -> Latch {
    let go_on = Latch::new();
    addr.ask(|begun| Message::Wait(begun, go_on.clone()), LONG).await.unwrap();
    go_on
}

fn counters(supervisor: &Supervisor) -> Counters {
    let all = supervisor.counters();
    assert_eq!(all.len(), 1);
    all[0].clone()
}

#[test]
fn an_actor_keeps_its_state() {
    run(async {
        let addr = Supervisor::new().start(Tester { total: 1 });
        addr.offer(Message::Add(2)).unwrap();
        assert_eq!(total(&addr).await, Ok(3));
    });
}

#[test]
fn a_panic_ends_an_actor_that_nobody_rebuilds() {
    run(async {
        let supervisor = Supervisor::new();
        let addr = supervisor.start(Tester { total: 1 });
        assert_eq!(fail(&addr).await, Err(AskError::Dropped));
        // Its end shows in the closed inbox; until then a question is dropped.
        supervisor.cut(LONG).await;
        assert_eq!(total(&addr).await, Err(AskError::Closed));
        assert!(!supervisor.failed().is_set());
        assert_eq!(counters(&supervisor).restarts, 0);
    });
}

#[test]
fn a_panic_costs_a_supervised_actor_one_message() {
    run(async {
        let supervisor = Supervisor::new();
        let builds = Arc::new(AtomicUsize::new(0));
        let counted = builds.clone();
        let addr = supervisor.supervise(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Tester { total: 10 }
        });
        // What waits behind the panic is handled by the next state.
        let go_on = occupy(&addr).await;
        addr.offer(Message::Add(5)).unwrap();
        let failing = fail(&addr);
        let asking = async {
            addr.offer(Message::Add(7)).unwrap();
            total(&addr).await
        };
        let releasing = async { go_on.set() };
        let (failed, asked, ()) = futures_util::join!(failing, asking, releasing);
        assert_eq!((failed, asked), (Err(AskError::Dropped), Ok(17)));
        assert_eq!(builds.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn other_actors_do_not_notice_a_panic() {
    run(async {
        let supervisor = Supervisor::new();
        let (failing, other) = (supervisor.start(Tester { total: 0 }), supervisor.start(Tester { total: 4 }));
        assert_eq!(fail(&failing).await, Err(AskError::Dropped));
        assert_eq!(total(&other).await, Ok(4));
    });
}

#[test]
fn the_sixth_failure_within_a_minute_is_one_too_many() {
    run(async {
        let supervisor = Supervisor::new();
        let addr = supervisor.supervise(|| Tester { total: 3 });
        for _ in 0..5 {
            assert_eq!(fail(&addr).await, Err(AskError::Dropped));
            assert_eq!(total(&addr).await, Ok(3), "it is rebuilt");
        }
        assert!(!supervisor.failed().is_set());
        assert_eq!(fail(&addr).await, Err(AskError::Dropped));
        supervisor.failed().wait().await;
        supervisor.cut(LONG).await;
        assert_eq!(total(&addr).await, Err(AskError::Closed));
        assert_eq!(counters(&supervisor).restarts, 5);
    });
}

#[test]
fn a_factory_that_panics_is_a_failure_too() {
    run(async {
        let supervisor = Supervisor::new();
        let _addr = supervisor.supervise(|| -> Tester { panic!("on purpose") });
        supervisor.failed().wait().await;
        assert_eq!(counters(&supervisor).restarts, 5);
    });
}

#[test]
fn an_actor_that_ends_itself_is_not_rebuilt() {
    run(async {
        let supervisor = Supervisor::new();
        let addr = supervisor.supervise(|| Tester { total: 0 });
        addr.offer(Message::End).unwrap();
        assert_eq!(supervisor.cut(LONG).await, Vec::<&str>::new());
        assert_eq!(total(&addr).await, Err(AskError::Closed));
        assert_eq!((counters(&supervisor).running, counters(&supervisor).restarts), (0, 0));
    });
}

#[test]
fn an_actor_without_addresses_ends() {
    run(async {
        let supervisor = Supervisor::new();
        let stopped = Latch::new();
        let addr = supervisor.start(Noted { stopped: stopped.clone() });
        drop(addr);
        stopped.wait().await;
    });
}

/// Sets a latch when it ends in order.
struct Noted {
    stopped: Latch,
}

impl Actor for Noted {
    const KIND: Kind = Kind { name: "noted", rank: Rank::Ca, capacity: 1 };
    type Msg = ();

    async fn handle(&mut self, (): (), _: &mut Context<()>) {}

    async fn stopping(&mut self, _: &mut Context<()>) {
        self.stopped.set();
    }
}

#[test]
fn everything_is_counted() {
    run(async {
        let supervisor = Supervisor::new();
        let addr = supervisor.supervise(|| Tester { total: 0 });
        let go_on = occupy(&addr).await;
        for amount in 0..4 {
            addr.offer(Message::Add(amount)).unwrap();
        }
        assert!(matches!(addr.offer(Message::Add(4)), Err(Refused::Full(_))));
        assert_eq!(total(&addr).await, Err(AskError::Full));
        let busy = counters(&supervisor);
        assert_eq!((busy.running, busy.depth, busy.handled, busy.refused), (1, 4, 1, 2));
        assert_eq!((busy.kind, busy.restarts, busy.busy), (Tester::KIND, 0, Duration::ZERO));

        go_on.set();
        addr.send(Message::Add(0)).await.unwrap();
        drop(addr);
        assert_eq!(supervisor.cut(LONG).await, Vec::<&str>::new());
        let done = counters(&supervisor);
        assert_eq!((done.running, done.depth, done.handled), (0, 0, 6));
        assert!(done.busy > Duration::ZERO);
    });
}

#[test]
fn a_message_that_panics_is_counted_and_leaves_no_depth() {
    run(async {
        let supervisor = Supervisor::new();
        let addr = supervisor.start(Tester { total: 0 });
        let go_on = occupy(&addr).await;
        let failing = fail(&addr);
        let behind = total(&addr);
        let releasing = async { go_on.set() };
        let (failed, lost, ()) = futures_util::join!(failing, behind, releasing);
        assert_eq!((failed, lost), (Err(AskError::Dropped), Err(AskError::Dropped)));
        supervisor.cut(LONG).await;
        let counted = counters(&supervisor);
        assert_eq!((counted.depth, counted.handled), (0, 2));
    });
}

#[test]
fn counters_of_one_kind_add_up() {
    run(async {
        let supervisor = Supervisor::new();
        let (first, second) = (supervisor.start(Tester { total: 0 }), supervisor.start(Tester { total: 0 }));
        assert_eq!((total(&first).await, total(&second).await), (Ok(0), Ok(0)));
        assert_eq!((counters(&supervisor).running, counters(&supervisor).handled), (2, 2));
    });
}

#[test]
fn a_task_has_an_inbox_and_is_counted() {
    run(async {
        let supervisor = Supervisor::new();
        let kind = Kind { name: "relay", rank: Rank::Front, capacity: 2 };
        let addr = supervisor.task(kind, |mut inbox: Inbox<Reply<u8>>, _| async move {
            while let Some(reply) = inbox.recv().await {
                reply.answer(6);
            }
        });
        assert_eq!(addr.ask(|reply| reply, LONG).await, Ok(6));
        let counted = counters(&supervisor);
        assert_eq!((counted.kind, counted.running, counted.handled), (kind, 1, 1));
    });
}

/// Asks another actor when told to.
#[cfg(debug_assertions)]
struct Asker<const RANK: usize> {
    tester: Addr<Message>,
}

#[cfg(debug_assertions)]
impl<const RANK: usize> Actor for Asker<RANK> {
    const KIND: Kind = Kind { name: "asker", rank: Rank::ALL[RANK], capacity: 1 };
    type Msg = Reply<u64>;

    async fn handle(&mut self, reply: Reply<u64>, _: &mut Context<Reply<u64>>) {
        if let Ok(total) = total(&self.tester).await {
            reply.answer(total);
        }
    }
}

#[cfg(debug_assertions)]
#[test]
fn asking_against_the_order_panics_in_debug_builds() {
    const BEFORE: usize = Rank::Dialer as usize;
    const SAME: usize = Rank::Inventory as usize;
    const AFTER: usize = Rank::Store as usize;
    run(async {
        let supervisor = Supervisor::new();
        let tester = supervisor.start(Tester { total: 8 });
        let before = supervisor.start(Asker::<BEFORE> { tester: tester.clone() });
        let same = supervisor.start(Asker::<SAME> { tester: tester.clone() });
        let after = supervisor.start(Asker::<AFTER> { tester });
        assert_eq!(before.ask(|reply| reply, LONG).await, Ok(8));
        assert_eq!(same.ask(|reply| reply, LONG).await, Err(AskError::Dropped));
        assert_eq!(after.ask(|reply| reply, LONG).await, Err(AskError::Dropped));
    });
}
