//! What one session has queued for the recorder, and all sessions together.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Context;

use futures_util::task::AtomicWaker;

/// Bytes that a session may have queued before the node is held back.
const FOR_A_SESSION: usize = 256 * 1024;
/// Bytes that all sessions may have queued.
const IN_ALL: usize = 32 * 1024 * 1024;

/// Bytes that all sessions have queued.
#[derive(Default)]
pub(super) struct Total(AtomicUsize);

/// The account of one session.
pub(super) struct Queue {
    queued: AtomicUsize,
    total: Arc<Total>,
    /// Bytes that the recorder has ever taken: shows whether it moves.
    taken: AtomicUsize,
    waker: AtomicWaker,
    failure: OnceLock<String>,
    degraded: AtomicBool,
}

impl Queue {
    pub(super) fn new(total: Arc<Total>) -> Arc<Self> {
        Arc::new(Self {
            queued: AtomicUsize::new(0),
            total,
            taken: AtomicUsize::new(0),
            waker: AtomicWaker::new(),
            failure: OnceLock::new(),
            degraded: AtomicBool::new(false),
        })
    }

    /// The session queues `bytes`.
    pub(super) fn add(&self, bytes: usize) {
        self.queued.fetch_add(bytes, Ordering::Relaxed);
        self.total.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The recorder has taken `bytes`.
    pub(super) fn take(&self, bytes: usize) {
        self.queued.fetch_sub(bytes, Ordering::Relaxed);
        self.total.0.fetch_sub(bytes, Ordering::Relaxed);
        self.taken.fetch_add(bytes, Ordering::Release);
        self.waker.wake();
    }

    /// How much the recorder has taken so far.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// Whether more may be queued; if not, the task is woken when something was taken.
    pub(super) fn has_room(&self, cx: Option<&mut Context<'_>>) -> bool {
        let free = || {
            self.queued.load(Ordering::Acquire) < FOR_A_SESSION
                && self.total.0.load(Ordering::Acquire) < IN_ALL
        };
        if free() {
            return true;
        }
        if let Some(cx) = cx {
            self.waker.register(cx.waker());
        }
        free()
    }

    /// The file cannot be written any more.
    pub(super) fn fail(&self, why: String) {
        // The first failure is the one that counts.
        let _ = self.failure.set(why);
        self.waker.wake();
    }

    /// Why it cannot be written.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Something was not recorded. True the first time.
    pub(super) fn degrade(&self) -> bool {
        !self.degraded.swap(true, Ordering::Relaxed)
    }
}
