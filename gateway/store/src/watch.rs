//! Changes in order. One bounded log is kept for all watchers, each of which has only a place in it: a watcher that
//! is slower than the log is long is told so, and nobody waits for it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::Stream;

use crate::{Keyspace, Revision};

/// How many changes the log holds.
const MAX_CHANGES: usize = 4096;
/// How many bytes of keys and values the log holds.
const MAX_BYTES: usize = 1 << 20;

/// One key that was written or deleted.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// The batch that did it.
    pub revision: Revision,
    /// Where.
    pub keyspace: Keyspace,
    /// Which key.
    pub key: Vec<u8>,
    /// Its value now; `None`: deleted.
    pub value: Option<Vec<u8>>,
}

impl Change {
    fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, keyspace, key, value } = self;
        write!(f, "Change {{ {revision}: {keyspace}/{}, ", key.escape_ascii())?;
        match value {
            Some(value) => write!(f, "{} bytes }}", value.len()),
            None => f.write_str("deleted }"),
        }
    }
}

/// Changes were missed: read again what is of interest. What follows are the changes after `revision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("changes up to revision {revision} were missed")]
pub struct Lagged {
    /// The newest revision when this was said.
    pub revision: Revision,
}

#[derive(Default)]
pub(crate) struct ChangeLog(Mutex<Log>);

#[derive(Default)]
struct Log {
    changes: VecDeque<Arc<Change>>,
    bytes: usize,
    /// How many changes have left `changes` at its front.
    gone: u64,
    /// Every change after this revision is still here.
    complete_after: Revision,
    /// The newest revision, whether it changed a key or not.
    newest: Revision,
    wakers: BTreeMap<u64, Waker>,
    watchers: u64,
    closed: bool,
}

impl ChangeLog {
    pub(crate) fn new(revision: Revision) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Log { complete_after: revision, newest: revision, ..Log::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what a transaction did, up to revision `newest`, and wakes who waits for it.
    pub(crate) fn publish(&self, newest: Revision, changes: impl IntoIterator<Item = Change>) {
        let mut log = self.lock();
        for change in changes {
            log.bytes += change.bytes();
            log.changes.push_back(Arc::new(change));
        }
        log.newest = newest;
        while log.changes.len() > MAX_CHANGES || log.bytes > MAX_BYTES {
            let Some(oldest) = log.changes.pop_front() else { break };
            log.bytes -= oldest.bytes();
            log.gone += 1;
            log.complete_after = oldest.revision;
        }
        let wakers = std::mem::take(&mut log.wakers);
        drop(log);
        wakers.into_values().for_each(Waker::wake);
    }

    /// Ends every watch once it has read what is here.
    pub(crate) fn close(&self) {
        let mut log = self.lock();
        log.closed = true;
        let wakers = std::mem::take(&mut log.wakers);
        drop(log);
        wakers.into_values().for_each(Waker::wake);
    }

    /// A watch of what follows revision `from`; the store itself is at `stored`, which may be ahead of the log.
    pub(crate) fn watch(self: &Arc<Self>, from: Revision, stored: Revision) -> Watch {
        let mut log = self.lock();
        log.watchers += 1;
        let id = log.watchers;
        let known = (log.complete_after..=log.newest.max(stored)).contains(&from);
        let place =
            known.then(|| log.gone + log.changes.partition_point(|change| change.revision <= from) as u64);
        drop(log);
        Watch { log: Arc::clone(self), id, from, place }
    }
}

/// A stream of [`Change`]s in the order of their commits, without a runtime. It ends when the store is closed.
pub struct Watch {
    log: Arc<ChangeLog>,
    id: u64,
    /// Changes up to this revision are known already.
    from: Revision,
    /// Number of the change to deliver next; `None`: not known, to be told first.
    place: Option<u64>,
}

impl Watch {
    /// What is here already, without waiting; `None` when there is nothing new.
    pub fn try_next(&mut self) -> Option<Result<Arc<Change>, Lagged>> {
        let Self { log, from, place, .. } = self;
        log.lock().next(from, place)
    }
}

impl Log {
    fn next(&self, from: &mut Revision, place: &mut Option<u64>) -> Option<Result<Arc<Change>, Lagged>> {
        loop {
            let Some(index) = place.and_then(|place| place.checked_sub(self.gone)) else {
                *place = Some(self.gone + self.changes.len() as u64);
                *from = self.newest;
                return Some(Err(Lagged { revision: self.newest }));
            };
            let change = self.changes.get(usize::try_from(index).ok()?)?;
            *place = place.map(|place| place + 1);
            if change.revision > *from {
                return Some(Ok(Arc::clone(change)));
            }
        }
    }
}

impl Stream for Watch {
    type Item = Result<Arc<Change>, Lagged>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { log, id, from, place } = self.get_mut();
        let mut log = log.lock();
        match log.next(from, place) {
            Some(item) => Poll::Ready(Some(item)),
            None if log.closed => Poll::Ready(None),
            None => {
                let replaced = log.wakers.insert(*id, context.waker().clone());
                // A waker may hold the last of its task, which may hold a watch: never dropped under the lock.
                drop(log);
                drop(replaced);
                Poll::Pending
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let removed = self.log.lock().wakers.remove(&self.id);
        drop(removed);
    }
}
