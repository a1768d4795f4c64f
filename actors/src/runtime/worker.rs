//! One thread of the runtime: runs the tasks that are its own, and sleeps in its poller when none can go on.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_task::{Runnable, Task};
use futures_util::FutureExt;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use slab::Slab;

use super::source::Readiness;
use super::timers::Timers;

/// Tasks that run before sockets and timers are looked at again.
const BATCH: usize = 64;
/// Events that are taken from the system at once.
const EVENTS: usize = 256;
/// The token of what other threads wake us by; sockets have their place in the slab.
const WAKE: Token = Token(usize::MAX);
/// No longer than this at once: the system counts milliseconds in 31 bits.
const LONGEST_REST: Duration = Duration::from_hours(24);
/// How long to wait when the poller itself fails.
const FAULT_PAUSE: Duration = Duration::from_millis(10);

thread_local! {
    static CURRENT: Cell<Option<&'static Worker>> = const { Cell::new(None) };
    /// The tasks of this thread that can go on.
    static READY: RefCell<VecDeque<Runnable>> = const { RefCell::new(VecDeque::new()) };
}

/// What other threads may reach of a thread.
pub(crate) struct Worker {
    registry: Registry,
    waker: Waker,
    /// Tasks of ours that others have woken.
    inbox: Mutex<VecDeque<Runnable>>,
    /// It sleeps, or is about to: who puts something into the inbox wakes it.
    asleep: AtomicBool,
    sources: Mutex<Slab<Arc<Readiness>>>,
    pub(super) timers: Timers,
    tasks: AtomicUsize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a task for as long as its future lives.
struct Counted(&'static Worker);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.tasks.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Worker {
    /// Starts a thread that never ends.
    pub(super) fn start(index: usize) -> io::Result<&'static Self> {
        let poll = Poll::new()?;
        let worker = Box::leak(Box::new(Self {
            registry: poll.registry().try_clone()?,
            waker: Waker::new(poll.registry(), WAKE)?,
            inbox: Mutex::default(),
            asleep: AtomicBool::new(false),
            sources: Mutex::default(),
            timers: Timers::default(),
            tasks: AtomicUsize::new(0),
        }));
        let worker: &'static Self = worker;
        std::thread::Builder::new().name(format!("worker {index}")).spawn(move || worker.run(poll))?;
        Ok(worker)
    }

    /// The thread that is running, where it is one of the runtime's.
    pub(super) fn current() -> Option<&'static Self> {
        CURRENT.get()
    }

    /// Tasks that it has.
    pub(super) fn load(&self) -> usize {
        self.tasks.load(Ordering::Relaxed)
    }

    /// Makes a task of a future.
    pub(super) fn spawn<F>(&'static self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(self);
        // A combinator, not an `async` block: a block would keep the future twice in the task's memory.
        let future = future.map(move |output| {
            drop(counted);
            output
        });
        let (runnable, task) = async_task::spawn(future, move |runnable| self.schedule(runnable));
        runnable.schedule();
        task
    }

    fn is_current(&self) -> bool {
        CURRENT.get().is_some_and(|current| std::ptr::eq(current, self))
    }

    fn schedule(&self, runnable: Runnable) {
        if self.is_current() {
            READY.with_borrow_mut(|ready| ready.push_back(runnable));
        } else {
            lock(&self.inbox).push_back(runnable);
            self.rouse();
        }
    }

    /// Makes it look at its inbox and its timers.
    pub(super) fn rouse(&self) {
        if !self.is_current() && self.asleep.swap(false, Ordering::SeqCst) {
            // Fails only where the descriptor is gone, which lives as long as the thread.
            let _ = self.waker.wake();
        }
    }

    fn run(&'static self, mut poll: Poll) {
        CURRENT.set(Some(self));
        let mut events = Events::with_capacity(EVENTS);
        loop {
            self.run_ready();
            let polled = poll.poll(&mut events, self.rest());
            self.asleep.store(false, Ordering::SeqCst);
            match polled {
                Ok(()) => self.tell(&events),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::error!(error:%; "the poller failed");
                    std::thread::sleep(FAULT_PAUSE);
                }
            }
            self.timers.ring(Instant::now());
        }
    }

    fn run_ready(&self) {
        READY.with_borrow_mut(|ready| ready.append(&mut lock(&self.inbox)));
        for _ in 0..BATCH {
            let Some(runnable) = READY.with_borrow_mut(VecDeque::pop_front) else { return };
            // Tasks catch their own panics; what is left are those of destructors, and they must not end the thread.
            if catch_unwind(AssertUnwindSafe(|| runnable.run())).is_err() {
                log::error!("a task panicked at its end");
            }
        }
    }

    /// How long the poller may wait: not at all while a task can go on.
    fn rest(&self) -> Option<Duration> {
        if READY.with_borrow(|ready| !ready.is_empty()) {
            return Some(Duration::ZERO);
        }
        self.asleep.store(true, Ordering::SeqCst);
        // What was put in before that is seen here, what comes later wakes us.
        if !lock(&self.inbox).is_empty() {
            return Some(Duration::ZERO);
        }
        self.timers.next().map(|moment| moment.saturating_duration_since(Instant::now()).min(LONGEST_REST))
    }

    fn tell(&self, events: &Events) {
        for event in events.iter().filter(|event| event.token() != WAKE) {
            let readiness = lock(&self.sources).get(event.token().0).cloned();
            // One that was let go of since the system spoke of it has no place any more, or another one has it.
            if let Some(readiness) = readiness {
                readiness.note(event);
            }
        }
    }

    /// Watches a descriptor from now on; the answer is its place.
    pub(super) fn watch(
        &self,
        fd: &impl AsFd,
        readiness: Arc<Readiness>,
        interest: Interest,
    ) -> io::Result<usize> {
        let place = lock(&self.sources).insert(readiness);
        let fd = fd.as_fd().as_raw_fd();
        self.registry.register(&mut SourceFd(&fd), Token(place), interest).inspect_err(|_| {
            lock(&self.sources).remove(place);
        })?;
        Ok(place)
    }

    /// Watches it no longer.
    pub(super) fn unwatch(&self, fd: &impl AsFd, place: usize) {
        let fd = fd.as_fd().as_raw_fd();
        // Closing the descriptor, which follows, does the same.
        let _ = self.registry.deregister(&mut SourceFd(&fd));
        lock(&self.sources).try_remove(place);
    }
}
