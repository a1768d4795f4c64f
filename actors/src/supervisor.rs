//! The supervisor: starts actors, knows them, and stops them in order.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::actor::{self, Actor, Context, Stop};
use crate::counters::{Counters, Tally};
use crate::inbox::{Addr, Inbox, inbox_counted};
use crate::latch::Latch;
use crate::order::{Kind, Place, Rank, inside};
use crate::staff::Staff;
use crate::time::{Deadline, timeout};

/// Starts actors and supervised tasks, and stops them in two steps. A clone is the same supervisor.
///
/// [`start`](Self::start): the actor ends when its handler panics, its address is closed then.
/// [`supervise`](Self::supervise): after a panic the actor is built anew and goes on with the next message, at most
/// five times a minute; after that it has [`failed`](Self::failed), and the process is to be stopped.
/// [`task`](Self::task): a loop of its own with an inbox; it ends when it panics.
#[derive(Clone)]
pub struct Supervisor {
    shared: Arc<Shared>,
}

/// Time to end in order for what still runs when its deadline has come, unless told otherwise.
const GRACE: Duration = Duration::from_secs(2);

struct Shared {
    grace: Duration,
    failed: Latch,
    ranks: [Arc<Staff>; Rank::ALL.len()],
    tallies: Mutex<BTreeMap<(Rank, &'static str), Arc<Tally>>>,
}

impl Supervisor {
    /// A supervisor of nobody yet.
    pub fn new() -> Self {
        Self::with_grace(GRACE)
    }

    /// A supervisor that gives what is [`cut`](Self::cut) this time to end by itself, instead of two seconds.
    pub fn with_grace(grace: Duration) -> Self {
        let shared =
            Shared { grace, failed: Latch::new(), ranks: Default::default(), tallies: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Starts an actor. A panic in a handler ends it.
    ///
    /// Once its rank drains nothing is started: the address is closed then.
    pub fn start<A: Actor>(&self, actor: A) -> Addr<A::Msg> {
        let tally = self.tally(A::KIND);
        self.employ(A::KIND, true, move |inbox, stop| async move {
            actor::run(actor, &mut Context::new(inbox, stop), &tally).await;
        })
    }

    /// Starts an actor that `build` makes, and makes again when a handler has panicked. The message is lost (its
    /// reply answers [`Dropped`](crate::AskError::Dropped)), the inbox is kept.
    ///
    /// Once its rank drains nothing is started: the address is closed then.
    pub fn supervise<A: Actor>(&self, build: impl FnMut() -> A + Send + 'static) -> Addr<A::Msg> {
        let tally = self.tally(A::KIND);
        let failed = self.shared.failed.clone();
        self.employ(A::KIND, true, move |inbox, stop| async move {
            actor::run_rebuilt(build, &mut Context::new(inbox, stop), &tally, &failed).await;
        })
    }

    /// Starts a task with a loop of its own, a relay for example. It ends by itself when told to by its [`Stop`] or
    /// by the end of its inbox. `M` may be [`Infallible`](std::convert::Infallible) for a task without messages.
    ///
    /// Once its rank drains nothing is started: the address is closed then.
    pub fn task<M, R, F>(&self, kind: Kind, run: R) -> Addr<M>
    where
        M: Send + 'static,
        R: FnOnce(Inbox<M>, Stop) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        self.employ(kind, false, run)
    }

    /// Set when a supervised actor has failed too often: `main` waits for it and stops the process in order.
    pub fn failed(&self) -> &Latch {
        &self.shared.failed
    }

    /// First step of a stop: the front takes nothing new, neither messages nor tasks. What it has accepted goes on.
    pub fn drain(&self) {
        self.shared.staff(Rank::Front).drain();
    }

    /// Second step of a stop: waits, rank after rank, until all have finished what they have accepted.
    ///
    /// What is still there at the deadline gets its [`Stop::cut`], a grace to end by itself, and is dropped then.
    /// The deadline is for the front: where it used the time up, those that it relies on (the store last) still have
    /// the grace to finish. Gives the names of what was dropped, one for each task.
    pub async fn cut(&self, deadline: impl Into<Deadline>) -> Vec<&'static str> {
        let deadline = deadline.into();
        let mut dropped = Vec::new();
        for rank in Rank::ALL {
            let staff = self.shared.staff(rank);
            staff.drain();
            let until = if rank == Rank::Front { deadline } else { deadline.max(self.shared.grace.into()) };
            if timeout(until.instant(), staff.gone()).await.is_err() {
                dropped.extend(staff.cut(self.shared.grace).await);
            }
        }
        dropped
    }

    /// What was counted, by kind, in the order of the ranks.
    pub fn counters(&self) -> Vec<Counters> {
        self.shared.tallies().values().map(|tally| tally.counters()).collect()
    }

    fn tally(&self, kind: Kind) -> Arc<Tally> {
        let mut tallies = self.shared.tallies();
        Arc::clone(tallies.entry((kind.rank, kind.name)).or_insert_with(|| Arc::new(Tally::new(kind))))
    }

    fn employ<M, R, F>(&self, kind: Kind, actor: bool, run: R) -> Addr<M>
    where
        M: Send + 'static,
        R: FnOnce(Inbox<M>, Stop) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let tally = self.tally(kind);
        let (addr, inbox) = inbox_counted(kind, Arc::clone(&tally));
        let staff = self.shared.staff(kind.rank);
        let close = inbox.shared();
        let work = inside(Place { kind, actor }, run(inbox, staff.stop().clone()));
        staff.admit(kind.name, close, tally, work);
        addr
    }
}

impl Default for Supervisor {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    fn staff(&self, rank: Rank) -> &Arc<Staff> {
        &self.ranks[rank as usize]
    }

    fn tallies(&self) -> MutexGuard<'_, BTreeMap<(Rank, &'static str), Arc<Tally>>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("failed", &self.shared.failed).finish_non_exhaustive()
    }
}
