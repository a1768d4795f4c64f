//! Bounded inboxes: the only way into an actor.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::counters::Tally;
use crate::order::{self, Kind};
use crate::reply::{Dropped, Reply, reply};
use crate::time::{Deadline, Elapsed, timeout};

/// Room for messages that an inbox keeps while nobody writes; the rest is given back.
const IDLE_ROOM: usize = 4;

/// The address of an actor: puts messages into its inbox. Cheap to clone. When the last one is gone, the actor ends
/// after the messages that it has.
pub struct Addr<M> {
    shared: Arc<Shared<M>>,
}

/// The receiving end, in the hands of the actor. Dropping it closes it and drops the messages in it.
pub struct Inbox<M> {
    shared: Arc<Shared<M>>,
}

/// A message that an inbox did not take, given back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused<M> {
    /// The inbox is full.
    #[error("inbox full")]
    Full(M),
    /// The actor has ended or takes nothing new.
    #[error("inbox closed")]
    Closed(M),
}

/// The actor has ended or takes nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("inbox closed")]
pub struct Closed;

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The actor has ended or takes nothing new: it never saw the question.
    #[error("actor closed")]
    Closed,
    /// It took the question and dropped it: its handler failed, it was cut, or it chose not to answer.
    #[error("question dropped")]
    Dropped,
    /// The inbox is full: it never saw the question.
    #[error("inbox full")]
    Full,
    /// No answer until the deadline. What was asked for may still happen.
    #[error("no answer in time")]
    TimedOut,
}

pub(crate) struct Shared<M> {
    kind: Kind,
    tally: Arc<Tally>,
    state: Mutex<State<M>>,
}

struct State<M> {
    queue: VecDeque<M>,
    closed: bool,
    addrs: usize,
    receiver: Option<Waker>,
    senders: Vec<Waker>,
}

/// An inbox and its address, not known to a supervisor: for tests and for what is smaller than an actor.
pub fn inbox<M>(kind: Kind) -> (Addr<M>, Inbox<M>) {
    inbox_counted(kind, Arc::new(Tally::new(kind)))
}

pub(crate) fn inbox_counted<M>(kind: Kind, tally: Arc<Tally>) -> (Addr<M>, Inbox<M>) {
    let state =
        State { queue: VecDeque::new(), closed: false, addrs: 1, receiver: None, senders: Vec::new() };
    let shared = Arc::new(Shared { kind, tally, state: Mutex::new(state) });
    (Addr { shared: Arc::clone(&shared) }, Inbox { shared })
}

impl<M> Addr<M> {
    /// Asks a question: `message` puts the reply into a message. Never waits for room, only for the answer, until
    /// `deadline` (a [`Duration`](std::time::Duration) from now or an [`Instant`](std::time::Instant)).
    ///
    /// # Panics
    ///
    /// In debug builds, when an actor asks against the [order](crate::Rank).
    pub async fn ask<R>(
        &self,
        message: impl FnOnce(Reply<R>) -> M,
        deadline: impl Into<Deadline>,
    ) -> Result<R, AskError> {
        order::check_wait(&self.shared.kind);
        let deadline = deadline.into();
        let (reply, answer) = reply();
        self.offer(message(reply)).map_err(|refused| match refused {
            Refused::Full(_) => AskError::Full,
            Refused::Closed(_) => AskError::Closed,
        })?;
        match timeout(deadline, answer).await {
            Ok(answered) => answered.map_err(|Dropped| AskError::Dropped),
            Err(Elapsed) => Err(AskError::TimedOut),
        }
    }

    /// Puts a message into the inbox if there is room. Never waits; a refusal is counted.
    pub fn offer(&self, message: M) -> Result<(), Refused<M>> {
        let mut state = self.shared.state();
        if state.closed {
            self.shared.tally.refused();
            return Err(Refused::Closed(message));
        }
        if state.queue.len() >= self.shared.kind.capacity {
            self.shared.tally.refused();
            return Err(Refused::Full(message));
        }
        state.queue.push_back(message);
        self.shared.tally.accepted();
        let receiver = state.receiver.take();
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        Ok(())
    }

    /// Waits for room, then puts the message into the inbox. [`Refused::Closed`] gives it back.
    ///
    /// # Panics
    ///
    /// In debug builds, in the handler of an actor (actors offer or ask) or against the [order](crate::Rank).
    pub async fn send(&self, message: M) -> Result<(), Refused<M>> {
        let mut message = message;
        loop {
            if poll_fn(|cx| self.poll_space(cx)).await.is_err() {
                return Err(Refused::Closed(message));
            }
            match self.offer(message) {
                // Somebody else was faster.
                Err(Refused::Full(unsent)) => message = unsent,
                sent => return sent,
            }
        }
    }

    /// Ready when the inbox has room for a message; others may fill it before this task does. For tasks that keep
    /// what was refused, and stop their own input meanwhile.
    ///
    /// # Panics
    ///
    /// As [`send`](Self::send).
    pub fn poll_space(&self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        order::check_wait_for_room(&self.shared.kind);
        let mut state = self.shared.state();
        if state.closed {
            return Poll::Ready(Err(Closed));
        }
        if state.queue.len() < self.shared.kind.capacity {
            return Poll::Ready(Ok(()));
        }
        if !state.senders.iter().any(|known| known.will_wake(cx.waker())) {
            state.senders.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Whether the actor takes nothing any more.
    pub fn is_closed(&self) -> bool {
        self.shared.state().closed
    }
}

impl<M> Clone for Addr<M> {
    fn clone(&self) -> Self {
        self.shared.state().addrs += 1;
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<M> Drop for Addr<M> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.addrs -= 1;
        let receiver = if state.addrs == 0 { state.receiver.take() } else { None };
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }
}

impl<M> Inbox<M> {
    /// The next message. `None` when there will be none: the inbox is closed, or all addresses are gone, and it is
    /// empty.
    pub async fn recv(&mut self) -> Option<M> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv), for a loop that polls.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<M>> {
        let mut state = self.shared.state();
        if let Some(message) = state.queue.pop_front() {
            self.shared.tally.taken();
            let senders = std::mem::take(&mut state.senders);
            drop(state);
            senders.into_iter().for_each(Waker::wake);
            return Poll::Ready(Some(message));
        }
        if state.closed || state.addrs == 0 {
            return Poll::Ready(None);
        }
        state.queue.shrink_to(IDLE_ROOM);
        state.receiver = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes nothing new from now on; what is in the inbox is still received.
    pub fn close(&self) {
        self.shared.close();
    }

    /// A new address of this inbox.
    pub fn addr(&self) -> Addr<M> {
        self.shared.state().addrs += 1;
        Addr { shared: Arc::clone(&self.shared) }
    }

    pub(crate) fn shared(&self) -> Arc<Shared<M>> {
        Arc::clone(&self.shared)
    }
}

impl<M> Drop for Inbox<M> {
    fn drop(&mut self) {
        self.close();
        let unread = std::mem::take(&mut self.shared.state().queue);
        self.shared.tally.discarded(unread.len());
        // Not under the lock: replies in the messages wake their askers.
        drop(unread);
    }
}

/// An inbox that can be closed from elsewhere, whatever its messages are.
pub(crate) trait Close: Send + Sync {
    /// Takes nothing new from now on.
    fn close(&self);
}

impl<M: Send> Close for Shared<M> {
    fn close(&self) {
        Self::close(self);
    }
}

impl<M> Shared<M> {
    fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let waiting = (state.receiver.take(), std::mem::take(&mut state.senders));
        drop(state);
        waiting.0.into_iter().chain(waiting.1).for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> fmt::Debug for Addr<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Addr").field(&self.shared.kind.name).finish()
    }
}

impl<M> fmt::Debug for Inbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inbox").field(&self.shared.kind.name).finish()
    }
}

/// Without the message: it may hold secrets.
impl<M> fmt::Debug for Refused<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full",
            Self::Closed(_) => "Closed",
        })
    }
}
