//! A descriptor that tasks wait for, and what is known of its readiness.
//!
//! The system tells each change once ("edge-triggered"), so a descriptor is armed once in its life. In return one has to
//! know when it is drained: an operation would have blocked, or took less than there was room for.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use mio::Interest;
use mio::event::Event;

use super::here;
use super::worker::Worker;

/// An operation that did not block.
pub(crate) enum Done<T> {
    /// There may be more.
    More(T),
    /// It took all that there was: the next would block.
    Drained(T),
}

/// One direction of a descriptor.
#[derive(Default)]
struct Direction {
    /// Counts what the system has told.
    told: AtomicU32,
    /// The count at which it was drained, plus one; 0 while it is not.
    drained: AtomicU32,
    /// It has ended or failed: it never blocks again, and nothing more will be told.
    closed: AtomicBool,
    waker: AtomicWaker,
}

impl Direction {
    fn tell(&self, closed: bool) {
        if closed {
            self.closed.store(true, Ordering::Release);
        }
        self.told.fetch_add(1, Ordering::AcqRel);
        self.waker.wake();
    }

    fn is_drained_at(&self, told: u32) -> bool {
        self.drained.load(Ordering::Acquire) == told.wrapping_add(1) && !self.closed.load(Ordering::Acquire)
    }
}

/// What is known of a descriptor.
#[derive(Default)]
pub(crate) struct Readiness {
    read: Direction,
    write: Direction,
}

impl Readiness {
    /// The system has told something.
    pub(super) fn note(&self, event: &Event) {
        let failed = event.is_error();
        if event.is_readable() || event.is_read_closed() || failed {
            self.read.tell(event.is_read_closed() || failed);
        }
        if event.is_writable() || event.is_write_closed() || failed {
            self.write.tell(event.is_write_closed() || failed);
        }
    }
}

/// A descriptor that does not block.
pub(crate) struct Source<T: AsFd> {
    inner: T,
    interest: Interest,
    readiness: Arc<Readiness>,
    /// Who watches it, from the first time that somebody waits.
    watched: Mutex<Option<(&'static Worker, usize)>>,
}

impl<T: AsFd> Source<T> {
    /// A socket for both directions.
    pub(crate) fn stream(inner: T) -> Self {
        Self::new(inner, Interest::READABLE | Interest::WRITABLE)
    }

    /// A socket that accepts.
    pub(crate) fn listener(inner: T) -> Self {
        Self::new(inner, Interest::READABLE)
    }

    fn new(inner: T, interest: Interest) -> Self {
        Self { inner, interest, readiness: Arc::default(), watched: Mutex::new(None) }
    }

    /// The socket itself.
    pub(crate) fn get(&self) -> &T {
        &self.inner
    }

    /// Does `operation` when reading would not block.
    pub(crate) fn poll_read<R>(
        &self,
        cx: &Context<'_>,
        operation: impl FnMut(&T) -> io::Result<Done<R>>,
    ) -> Poll<io::Result<R>> {
        self.poll(&self.readiness.read, cx, operation)
    }

    /// Does `operation` when writing would not block.
    pub(crate) fn poll_write<R>(
        &self,
        cx: &Context<'_>,
        operation: impl FnMut(&T) -> io::Result<Done<R>>,
    ) -> Poll<io::Result<R>> {
        self.poll(&self.readiness.write, cx, operation)
    }

    fn poll<R>(
        &self,
        direction: &Direction,
        cx: &Context<'_>,
        mut operation: impl FnMut(&T) -> io::Result<Done<R>>,
    ) -> Poll<io::Result<R>> {
        loop {
            let told = direction.told.load(Ordering::Acquire);
            if !direction.is_drained_at(told) {
                match operation(&self.inner) {
                    Ok(Done::More(value)) => return Poll::Ready(Ok(value)),
                    Ok(Done::Drained(value)) => {
                        direction.drained.store(told.wrapping_add(1), Ordering::Release);
                        return Poll::Ready(Ok(value));
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        direction.drained.store(told.wrapping_add(1), Ordering::Release);
                    }
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            direction.waker.register(cx.waker());
            self.watch()?;
            // What was told since is what we would wait for.
            if direction.told.load(Ordering::Acquire) == told {
                return Poll::Pending;
            }
        }
    }

    /// Lets the system tell from now on, beginning with how it stands.
    fn watch(&self) -> io::Result<()> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.is_none() {
            let worker = here();
            let place = worker.watch(&self.inner, Arc::clone(&self.readiness), self.interest)?;
            *watched = Some((worker, place));
        }
        Ok(())
    }
}

impl<T: AsFd> Drop for Source<T> {
    fn drop(&mut self) {
        let watched = self.watched.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some((worker, place)) = watched.take() {
            worker.unwatch(&self.inner, place);
        }
    }
}
