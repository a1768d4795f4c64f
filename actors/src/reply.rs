//! Answers to questions: one value, once, or the news that there will be none.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The right, and the duty, to answer one question. It travels in the message, may be kept and passed on, also to
/// another thread. Dropping it answers [`Dropped`].
#[must_use = "dropping a reply answers `Dropped`"]
pub struct Reply<R> {
    slot: Arc<Slot<R>>,
}

/// The answer to come; the other end of a [`Reply`].
#[must_use = "futures do nothing unless polled"]
pub struct Answer<R> {
    slot: Arc<Slot<R>>,
}

/// The reply was dropped: no answer will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reply was dropped")]
pub struct Dropped;

struct Slot<R> {
    state: Mutex<State<R>>,
}

enum State<R> {
    Waiting(Option<Waker>),
    Answered(R),
    Dropped,
    /// The asker has its answer or has gone.
    Unwanted,
}

/// A reply and the answer that it gives. [`ask`](crate::Addr::ask) makes one for each question.
pub fn reply<R>() -> (Reply<R>, Answer<R>) {
    let slot = Arc::new(Slot { state: Mutex::new(State::Waiting(None)) });
    (Reply { slot: Arc::clone(&slot) }, Answer { slot })
}

impl<R> Slot<R> {
    fn state(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Settles the question unless it is settled, and wakes the asker.
    fn settle(&self, outcome: State<R>) {
        let mut state = self.state();
        if let State::Waiting(waker) = &mut *state {
            let waker = waker.take();
            *state = outcome;
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl<R> Reply<R> {
    /// Answers. When nobody waits any more the answer is dropped.
    pub fn answer(self, answer: R) {
        self.slot.settle(State::Answered(answer));
    }

    /// Whether somebody still waits: work for an asker who has given up may be left out.
    pub fn is_wanted(&self) -> bool {
        matches!(*self.slot.state(), State::Waiting(_))
    }
}

impl<R> Drop for Reply<R> {
    fn drop(&mut self) {
        self.slot.settle(State::Dropped);
    }
}

impl<R> Future for Answer<R> {
    type Output = Result<R, Dropped>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.slot.state();
        match std::mem::replace(&mut *state, State::Unwanted) {
            State::Answered(answer) => Poll::Ready(Ok(answer)),
            State::Dropped | State::Unwanted => Poll::Ready(Err(Dropped)),
            State::Waiting(_) => {
                *state = State::Waiting(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl<R> Drop for Answer<R> {
    fn drop(&mut self) {
        let unread = std::mem::replace(&mut *self.slot.state(), State::Unwanted);
        // Not under the lock: what an answer does when dropped is its own business.
        drop(unread);
    }
}

impl<R> fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

impl<R> fmt::Debug for Answer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn an_answer_arrives() {
        let (reply, mut answer) = reply();
        assert_eq!((&mut answer).now_or_never(), None);
        reply.answer(3);
        assert_eq!(answer.now_or_never(), Some(Ok(3)));
    }

    #[test]
    fn an_answer_wakes_the_asker() {
        let (reply, answer) = reply();
        let asker = crate::spawn("asker", answer);
        crate::spawn("answerer", async move { reply.answer(5) }).detach();
        assert_eq!(crate::run(asker), Ok(Ok(5)));
    }

    #[test]
    fn a_dropped_reply_is_an_answer() {
        let (reply, answer) = reply::<u8>();
        let asker = crate::spawn("asker", answer);
        drop(reply);
        assert_eq!(crate::run(asker), Ok(Err(Dropped)));
    }

    #[test]
    fn a_reply_knows_that_nobody_waits() {
        let (reply, answer) = reply();
        assert!(reply.is_wanted());
        drop(answer);
        assert!(!reply.is_wanted());
        reply.answer(1);
    }

    #[test]
    fn an_unread_answer_is_dropped_with_the_asker() {
        let (reply, answer) = reply();
        let value = Arc::new(());
        reply.answer(Arc::clone(&value));
        drop(answer);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
