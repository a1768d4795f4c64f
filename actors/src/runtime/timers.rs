//! The timers of one thread: who is to be woken, and when.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::here;
use super::worker::Worker;

/// When, and which of those of the same moment.
type Key = (Instant, u64);

/// All timers of a thread.
#[derive(Default)]
pub(crate) struct Timers(Mutex<Table>);

#[derive(Default)]
struct Table {
    wakers: BTreeMap<Key, Waker>,
    last: u64,
}

impl Timers {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next moment at which somebody is to be woken.
    pub(super) fn next(&self) -> Option<Instant> {
        self.lock().wakers.first_key_value().map(|(key, _)| key.0)
    }

    /// Wakes those whose moment has come.
    pub(super) fn ring(&self, now: Instant) {
        let due = {
            let mut table = self.lock();
            match table.wakers.first_key_value() {
                Some((key, _)) if key.0 <= now => {}
                _ => return,
            }
            let later = table.wakers.split_off(&(now, u64::MAX));
            std::mem::replace(&mut table.wakers, later)
        };
        due.into_values().for_each(Waker::wake);
    }
}

/// Wakes a task at a moment. It stays with the thread on which it was first polled.
pub(crate) struct Alarm {
    moment: Instant,
    set: Option<(&'static Worker, Key)>,
}

impl Alarm {
    /// One for this moment.
    pub(crate) fn at(moment: Instant) -> Self {
        Self { moment, set: None }
    }

    /// The moment.
    pub(crate) fn moment(&self) -> Instant {
        self.moment
    }

    /// Ready when the moment has come; otherwise the task is woken then.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if let Some((worker, key)) = self.set
            && let Some(waker) = worker.timers.lock().wakers.get_mut(&key)
        {
            waker.clone_from(cx.waker());
            return Poll::Pending;
        }
        self.set = None;
        if Instant::now() >= self.moment {
            return Poll::Ready(());
        }
        let worker = here();
        let key = {
            let mut table = worker.timers.lock();
            table.last += 1;
            let key = (self.moment, table.last);
            table.wakers.insert(key, cx.waker().clone());
            key
        };
        self.set = Some((worker, key));
        worker.rouse();
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some((worker, key)) = self.set {
            worker.timers.lock().wakers.remove(&key);
        }
    }
}
