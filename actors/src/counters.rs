//! What is counted of each kind of actor.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::order::Kind;

/// What was counted of all actors of one kind since the start, and how many there are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Which actors.
    pub kind: Kind,
    /// Actors that run now.
    pub running: usize,
    /// Messages that wait in their inboxes now.
    pub depth: usize,
    /// Messages taken from an inbox.
    pub handled: u64,
    /// Messages not accepted, the inbox being full or closed.
    pub refused: u64,
    /// Times that an actor was rebuilt after a panic.
    pub restarts: u64,
    /// Time spent in handlers, waiting included. Actors only: a supervised task has no handler.
    pub busy: Duration,
}

/// Where the actors of one kind count.
#[derive(Debug)]
pub(crate) struct Tally {
    kind: Kind,
    running: AtomicUsize,
    depth: AtomicUsize,
    handled: AtomicU64,
    refused: AtomicU64,
    restarts: AtomicU64,
    /// Nanoseconds; enough for 584 years.
    busy: AtomicU64,
}

impl Tally {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            running: AtomicUsize::new(0),
            depth: AtomicUsize::new(0),
            handled: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            busy: AtomicU64::new(0),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters {
            kind: self.kind,
            running: self.running.load(Relaxed),
            depth: self.depth.load(Relaxed),
            handled: self.handled.load(Relaxed),
            refused: self.refused.load(Relaxed),
            restarts: self.restarts.load(Relaxed),
            busy: Duration::from_nanos(self.busy.load(Relaxed)),
        }
    }

    pub(crate) fn began(&self) {
        self.running.fetch_add(1, Relaxed);
    }

    pub(crate) fn ended(&self) {
        self.running.fetch_sub(1, Relaxed);
    }

    pub(crate) fn accepted(&self) {
        self.depth.fetch_add(1, Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn taken(&self) {
        self.depth.fetch_sub(1, Relaxed);
        self.handled.fetch_add(1, Relaxed);
    }

    /// Accepted messages that nobody will handle.
    pub(crate) fn discarded(&self, messages: usize) {
        self.depth.fetch_sub(messages, Relaxed);
    }

    pub(crate) fn restarted(&self) {
        self.restarts.fetch_add(1, Relaxed);
    }

    /// Counts the time until the guard is dropped, by a panic also.
    pub(crate) fn handling(&self) -> Handling<'_> {
        Handling { tally: self, begun: Instant::now() }
    }
}

pub(crate) struct Handling<'a> {
    tally: &'a Tally,
    begun: Instant,
}

impl Drop for Handling<'_> {
    fn drop(&mut self) {
        let nanos = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.tally.busy.fetch_add(nanos, Relaxed);
    }
}
