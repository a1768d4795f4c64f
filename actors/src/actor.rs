//! Actors: a state, the messages that reach it, and the loop between.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures_util::FutureExt;

use crate::counters::Tally;
use crate::inbox::{Addr, Inbox};
use crate::latch::Latch;
use crate::order::Kind;
use crate::restarts::Restarts;
use crate::task::caught;

/// A state that one task owns and that messages change, one at a time.
///
/// ```
/// use mezite_actors::{Actor, Context, Kind, Rank, Reply, Supervisor, run};
/// use std::time::Duration;
///
/// struct Counter(u64);
///
/// enum Message {
///     Add(u64),
///     Total(Reply<u64>),
/// }
///
/// impl Actor for Counter {
///     const KIND: Kind = Kind { name: "counter", rank: Rank::Inventory, capacity: 16 };
///     type Msg = Message;
///
///     async fn handle(&mut self, message: Message, _: &mut Context<Message>) {
///         match message {
///             Message::Add(amount) => self.0 += amount,
///             Message::Total(reply) => reply.answer(self.0),
///         }
///     }
/// }
///
/// run(async {
///     let counter = Supervisor::new().start(Counter(0));
///     counter.offer(Message::Add(2)).unwrap();
///     let total = counter.ask(Message::Total, Duration::from_secs(60)).await;
///     assert_eq!(total, Ok(2));
/// });
/// ```
pub trait Actor: Send + Sized + 'static {
    /// Name, place in the order of waiting, size of the inbox.
    const KIND: Kind;

    /// What it understands.
    type Msg: Send + 'static;

    /// Handles one message. A panic in here drops the message, and with it its reply, and ends this state; see
    /// [`Supervisor`](crate::Supervisor) for what follows.
    fn handle(
        &mut self,
        message: Self::Msg,
        context: &mut Context<Self::Msg>,
    ) -> impl Future<Output = ()> + Send;

    /// Runs before the first message, again after each rebuilding.
    fn started(&mut self, _context: &mut Context<Self::Msg>) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Runs after the last message when the actor ends in order: not after a panic, not when it is cut.
    fn stopping(&mut self, _context: &mut Context<Self::Msg>) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// What a handler knows of its own actor.
#[derive(Debug)]
pub struct Context<M> {
    inbox: Inbox<M>,
    stop: Stop,
    ended: bool,
}

/// The two steps in which the actors of a rank are stopped.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Finish what was accepted and end; inboxes are closed.
    pub drain: Latch,
    /// The deadline has come: say goodbye and end, in a moment the task is dropped.
    pub cut: Latch,
}

impl<M> Context<M> {
    pub(crate) fn new(inbox: Inbox<M>, stop: Stop) -> Self {
        Self { inbox, stop, ended: false }
    }

    /// The actor's own address, to be given away. An actor that keeps it in its state runs until it is stopped.
    pub fn addr(&self) -> Addr<M> {
        self.inbox.addr()
    }

    /// Ends the actor after this message; messages that wait are dropped.
    pub fn end(&mut self) {
        self.inbox.close();
        self.ended = true;
    }

    /// The signals that stop this actor, for handlers that take long.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }
}

/// Runs an actor until it ends, by itself or by a panic.
pub(crate) async fn run<A: Actor>(mut actor: A, context: &mut Context<A::Msg>, tally: &Tally) {
    actor.started(context).await;
    while !context.ended
        && let Some(message) = context.inbox.recv().await
    {
        let _handling = tally.handling();
        actor.handle(message, context).await;
    }
    actor.stopping(context).await;
}

/// Runs an actor that is built again after each panic. Sets `failed` when that happens too often.
pub(crate) async fn run_rebuilt<A: Actor>(
    mut build: impl FnMut() -> A + Send,
    context: &mut Context<A::Msg>,
    tally: &Tally,
    failed: &Latch,
) {
    let mut restarts = Restarts::default();
    loop {
        let life = async { run(build(), context, tally).await };
        let Err(panic) = AssertUnwindSafe(life).catch_unwind().await else { return };
        let actor = caught(A::KIND.name, panic).task;
        if !restarts.allow(Instant::now()) {
            log::error!(actor; "actor failed too often, giving up");
            failed.set();
            return;
        }
        tally.restarted();
    }
}
