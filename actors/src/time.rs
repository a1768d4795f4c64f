//! Waiting for a moment. Moments are [`Instant`]s: they never run backwards.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use crate::runtime::Alarm;

/// A moment to wait for that lies further ahead than this is taken to be this far ahead.
const FOREVER: Duration = Duration::from_hours(262_800);

/// The moment until which something may take. Made from a [`Duration`] (from now) or an [`Instant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The moment itself.
    pub fn instant(self) -> Instant {
        self.0
    }
}

impl From<Duration> for Deadline {
    fn from(from_now: Duration) -> Self {
        Self(Instant::now() + from_now.min(FOREVER))
    }
}

impl From<Instant> for Deadline {
    fn from(moment: Instant) -> Self {
        Self(moment)
    }
}

/// Something took longer than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timed out")]
pub struct Elapsed;

/// A deadline that can be moved as often as its owner likes, for a loop that polls.
///
/// Moving it later costs nothing: the runtime keeps the earlier moment, and when that has come the timer is armed
/// anew. Only moving it before the armed moment arms it at once (on the next poll).
#[derive(Default)]
pub struct Timer {
    deadline: Option<Instant>,
    armed: Option<Alarm>,
}

impl Timer {
    /// A timer without a deadline: it never expires until [`set`](Self::set) gives it one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets, moves or takes away the deadline. Takes effect with the next [`poll_expired`](Self::poll_expired), so
    /// the owner polls again afterwards.
    pub fn set(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// The deadline, when there is one.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Ready once when the deadline has come; the timer is without deadline then. The waker of `cx` is woken at the
    /// deadline or, when it was moved, before.
    pub fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        loop {
            let armed = match &mut self.armed {
                Some(armed) if armed.moment() <= deadline => armed,
                _ => self.armed.insert(Alarm::at(deadline)),
            };
            ready!(armed.poll(cx));
            let reached = armed.moment() == deadline;
            self.armed = None;
            if reached {
                return self.expire();
            }
        }
    }

    fn expire(&mut self) -> Poll<()> {
        self.deadline = None;
        Poll::Ready(())
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// Waits for a moment; see [`sleep`] and [`sleep_until`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    timer: Timer,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.poll_expired(cx)
    }
}

/// Waits this long from now, never less.
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Deadline::from(duration).0)
}

/// Waits until the moment has come, never less; a moment that has passed is ready at once.
pub fn sleep_until(moment: Instant) -> Sleep {
    Sleep { timer: Timer { deadline: Some(moment), armed: None } }
}

pin_project! {
    /// Gives a future until a deadline; see [`timeout`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        timer: Timer,
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.future.poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => this.timer.poll_expired(cx).map(|()| Err(Elapsed)),
        }
    }
}

/// Gives `future` until the deadline (a [`Duration`] from now or an [`Instant`]). A future that is ready at the
/// deadline is in time.
pub fn timeout<F: Future>(deadline: impl Into<Deadline>, future: F) -> Timeout<F> {
    Timeout { future, timer: Timer { deadline: Some(deadline.into().0), armed: None } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::future::{pending, poll_fn, ready};
    use std::task::Waker;

    const LONG: Duration = Duration::from_hours(1);
    const SHORT: Duration = Duration::from_millis(1);

    fn poll(timer: &mut Timer) -> Poll<()> {
        timer.poll_expired(&mut Context::from_waker(Waker::noop()))
    }

    fn armed(timer: &Timer) -> Option<Instant> {
        timer.armed.as_ref().map(Alarm::moment)
    }

    #[test]
    fn sleeping_is_never_too_short() {
        let moment = Instant::now() + SHORT;
        crate::run(sleep_until(moment));
        assert!(Instant::now() >= moment);
    }

    #[test]
    fn a_moment_that_has_passed_is_ready() {
        assert_eq!(sleep_until(Instant::now()).now_or_never(), Some(()));
        assert_eq!(sleep(Duration::ZERO).now_or_never(), Some(()));
    }

    #[test]
    fn the_longest_sleep_is_no_overflow() {
        assert_eq!(sleep(Duration::MAX).now_or_never(), None);
    }

    #[test]
    fn a_future_that_takes_too_long_is_given_up() {
        assert_eq!(crate::run(timeout(SHORT, pending::<()>())), Err(Elapsed));
    }

    #[test]
    fn a_future_that_is_ready_is_in_time() {
        assert_eq!(timeout(Duration::ZERO, ready(4)).now_or_never(), Some(Ok(4)));
        assert_eq!(crate::run(timeout(LONG, ready(4))), Ok(4));
    }

    #[test]
    fn a_timer_without_deadline_never_expires() {
        let mut timer = Timer::new();
        assert_eq!(poll(&mut timer), Poll::Pending);
        timer.set(Some(Instant::now()));
        timer.set(None);
        assert_eq!(poll(&mut timer), Poll::Pending);
    }

    #[test]
    fn a_timer_expires_once() {
        let mut timer = Timer::new();
        timer.set(Some(Instant::now()));
        assert_eq!(poll(&mut timer), Poll::Ready(()));
        assert_eq!((poll(&mut timer), timer.deadline()), (Poll::Pending, None));
    }

    #[test]
    fn a_deadline_moved_later_leaves_the_timer_armed_as_it_was() {
        let (mut timer, first) = (Timer::new(), Instant::now() + LONG);
        timer.set(Some(first));
        assert_eq!(poll(&mut timer), Poll::Pending);
        timer.set(Some(first + LONG));
        assert_eq!(poll(&mut timer), Poll::Pending);
        assert_eq!(armed(&timer), Some(first));
    }

    #[test]
    fn a_deadline_moved_earlier_arms_the_timer_anew() {
        let (mut timer, first) = (Timer::new(), Instant::now() + LONG);
        timer.set(Some(first + LONG));
        assert_eq!(poll(&mut timer), Poll::Pending);
        timer.set(Some(first));
        assert_eq!(poll(&mut timer), Poll::Pending);
        assert_eq!(armed(&timer), Some(first));
    }

    #[test]
    fn a_timer_armed_too_early_expires_at_its_deadline() {
        let (mut timer, first) = (Timer::new(), Instant::now() + SHORT);
        timer.set(Some(first));
        let early = poll(&mut timer);
        let moved = Instant::now() + 20 * SHORT;
        timer.set(Some(moved));
        assert_eq!(crate::run(poll_fn(|cx| timer.poll_expired(cx))), ());
        assert!(Instant::now() >= moved || early.is_ready());
    }

    #[test]
    fn a_timer_wakes_its_task_when_moved_earlier() {
        let mut timer = Timer::new();
        timer.set(Some(Instant::now() + LONG));
        assert_eq!(poll(&mut timer), Poll::Pending);
        timer.set(Some(Instant::now() + SHORT));
        crate::run(poll_fn(|cx| timer.poll_expired(cx)));
    }
}
