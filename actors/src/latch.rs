//! A latch: something that happens once and that any number of tasks may wait for.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Says once, to all who hold a clone, that something has happened: draining has begun, the deadline is reached.
#[derive(Clone, Default)]
pub struct Latch {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    set: AtomicBool,
    waiting: Mutex<Waiting>,
}

/// Who waits, by a number that a waiter gives back when it is dropped: nothing piles up in a latch that is
/// never set.
#[derive(Default)]
struct Waiting {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Latch {
    /// A latch that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the latch and wakes all who wait. Setting it again changes nothing.
    pub fn set(&self) {
        if self.shared.set.swap(true, Ordering::SeqCst) {
            return;
        }
        let wakers = std::mem::take(&mut self.shared.waiting().wakers);
        for waker in wakers.into_values() {
            waker.wake();
        }
    }

    /// Whether it has been set.
    pub fn is_set(&self) -> bool {
        self.shared.set.load(Ordering::SeqCst)
    }

    /// Waits until the latch is set.
    #[must_use = "futures do nothing unless polled"]
    pub fn wait(&self) -> Wait {
        Wait { shared: Arc::clone(&self.shared), key: None }
    }
}

impl Shared {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Latch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latch").field("set", &self.is_set()).finish()
    }
}

/// Ready when the latch is set; see [`Latch::wait`].
#[must_use = "futures do nothing unless polled"]
pub struct Wait {
    shared: Arc<Shared>,
    key: Option<u64>,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.shared.set.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        let shared = Arc::clone(&self.shared);
        let mut waiting = shared.waiting();
        // Looked at again under the lock: `set` stores first and takes the wakers then.
        if self.shared.set.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        let key = *self.key.get_or_insert_with(|| {
            waiting.next += 1;
            waiting.next
        });
        match waiting.wakers.get_mut(&key) {
            Some(known) => known.clone_from(cx.waker()),
            None => drop(waiting.wakers.insert(key, cx.waker().clone())),
        }
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.shared.waiting().wakers.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn setting_wakes_all_who_wait() {
        let latch = Latch::new();
        let waiting: Vec<_> = (0..10).map(|_| crate::spawn("waiter", latch.wait())).collect();
        latch.set();
        assert!(crate::run(futures_util::future::join_all(waiting)).iter().all(Result::is_ok));
    }

    #[test]
    fn setting_again_changes_nothing() {
        let latch = Latch::new();
        assert!(!latch.is_set());
        latch.set();
        latch.clone().set();
        assert!(latch.is_set());
        assert_eq!(latch.wait().now_or_never(), Some(()));
    }

    #[test]
    fn waiters_that_give_up_leave_nothing_behind() {
        let latch = Latch::new();
        for _ in 0..100 {
            assert_eq!(latch.wait().now_or_never(), None);
        }
        assert_eq!(latch.shared.waiting().wakers.len(), 0);
    }

    #[test]
    fn a_waiter_polled_often_waits_once() {
        let latch = Latch::new();
        let mut wait = latch.wait();
        for _ in 0..3 {
            assert_eq!((&mut wait).now_or_never(), None);
        }
        assert_eq!(latch.shared.waiting().wakers.len(), 1);
    }
}
