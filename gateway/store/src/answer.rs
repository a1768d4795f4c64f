//! The answer to one commit: a future that needs no runtime, or a blocking wait.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::{CommitError, Revision};

type Outcome = Result<Revision, CommitError>;

#[derive(Default)]
struct Slot {
    state: Mutex<SlotState>,
    answered: Condvar,
}

#[derive(Default)]
struct SlotState {
    outcome: Option<Outcome>,
    waker: Option<Waker>,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outcome of [`crate::Store::commit`], known once it is on disk. Dropping it does not take the commit back.
#[must_use = "a commit may fail"]
pub struct CommitHandle(Arc<Slot>);

impl CommitHandle {
    /// Blocks until the commit is on disk or refused; the batch's revision.
    pub fn wait(self) -> Outcome {
        let mut state = self.0.lock();
        loop {
            match state.outcome.take() {
                Some(outcome) => return outcome,
                None => state = self.0.answered.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Future for CommitHandle {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = self.0.lock();
        if let Some(outcome) = &state.outcome {
            // Cloned, so that polling once more is not a wait without end.
            return Poll::Ready(outcome.clone());
        }
        let replaced = state.waker.replace(context.waker().clone());
        // Not under the lock: dropping it may run anything.
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

/// The commit thread's side. Dropped without an answer it says [`CommitError::Closed`].
pub(crate) struct Answer(Option<Arc<Slot>>);

pub(crate) fn answer() -> (Answer, CommitHandle) {
    let slot = Arc::new(Slot::default());
    (Answer(Some(Arc::clone(&slot))), CommitHandle(slot))
}

impl Answer {
    pub(crate) fn give(mut self, outcome: Outcome) {
        self.set(outcome);
    }

    fn set(&mut self, outcome: Outcome) {
        let Some(slot) = self.0.take() else { return };
        let mut state = slot.lock();
        state.outcome = Some(outcome);
        let waker = state.waker.take();
        drop(state);
        slot.answered.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.set(Err(CommitError::Closed));
    }
}
