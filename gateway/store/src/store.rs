//! The store itself: a handle that is cheap to clone.

use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::commit::{self, Queue};
use crate::environment::Environment;
use crate::watch::ChangeLog;
use crate::{
    AuditFilter, AuditHead, AuditPage, AuditReport, Batch, CommitError, CommitHandle, Entry, Keyspace,
    OpenError, Options, ReadError, Revision, Snapshot, Versioned, Watch, answer, audit,
};

/// Stack of the commit thread: it does not recurse.
const COMMIT_STACK: usize = 256 << 10;

/// An open store. The last handle that is dropped waits for the commits that are under way and closes it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    environment: Arc<Environment>,
    queue: Arc<Queue>,
    changes: Arc<ChangeLog>,
    committer: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the store in the folder `path`, or makes one. Only one process may have it open, and only once.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let readonly = options.readonly;
        let environment = Arc::new(Environment::open(path, options)?);
        let unreadable =
            |error: ReadError| OpenError::Damaged { path: path.to_owned(), why: error.to_string() };
        let revision =
            environment.read(|txn, tables| Snapshot { txn, tables }.revision()).map_err(unreadable)?;
        let queue = Arc::new(Queue::default());
        let changes = ChangeLog::new(revision);
        let committer = if readonly {
            None
        } else {
            let (environment, queue, changes) =
                (Arc::clone(&environment), Arc::clone(&queue), Arc::clone(&changes));
            let thread = thread::Builder::new().name("store-commit".to_owned()).stack_size(COMMIT_STACK);
            let spawned = thread.spawn(move || commit::run(&environment, queue, changes));
            Some(spawned.map_err(|source| OpenError::Io { path: path.to_owned(), source })?)
        };
        Ok(Self(Arc::new(Inner { environment, queue, changes, committer })))
    }

    /// The value of a key.
    pub fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Versioned>, ReadError> {
        self.read(|snapshot| snapshot.get(keyspace, key))
    }

    /// The entries within `bounds` in key order, at most `limit`; see [`Snapshot::range`].
    pub fn range<'k>(
        &self,
        keyspace: Keyspace,
        bounds: impl RangeBounds<&'k [u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        self.read(|snapshot| snapshot.range(keyspace, bounds, limit))
    }

    /// The entries whose keys begin with `prefix`, at most `limit`; see [`Snapshot::prefix`].
    pub fn prefix(&self, keyspace: Keyspace, prefix: &[u8], limit: usize) -> Result<Vec<Entry>, ReadError> {
        self.read(|snapshot| snapshot.prefix(keyspace, prefix, limit))
    }

    /// The newest revision.
    pub fn revision(&self) -> Result<Revision, ReadError> {
        self.read(|snapshot: &Snapshot<'_>| snapshot.revision())
    }

    /// Several reads of one moment. `read` must use only the snapshot, and wait for nothing.
    pub fn read<T, E: From<ReadError>>(
        &self,
        read: impl FnOnce(&Snapshot<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.0.environment.read(|txn, tables| read(&Snapshot { txn, tables }))
    }

    /// Commits a batch: all of it or nothing. The handle answers when it is on disk.
    pub fn commit(&self, batch: Batch) -> CommitHandle {
        let refused = |error: CommitError| {
            let (answer, handle) = answer::answer();
            answer.give(Err(error));
            handle
        };
        if self.0.committer.is_none() {
            return refused(CommitError::ReadOnly);
        }
        match batch.validate(&self.0.environment.options) {
            Ok(bytes) => self.0.queue.push(batch, bytes),
            Err(invalid) => refused(invalid.into()),
        }
    }

    /// Every change after revision `from`, in order. When those are no longer at hand, the first item says
    /// [`crate::Lagged`].
    pub fn watch(&self, from: Revision) -> Watch {
        // A commit may be visible a moment before the log knows of it. What is newer than the store is of another one.
        let newest = self.revision().unwrap_or(0);
        self.0.changes.watch(from, newest)
    }

    /// A page of the audit log.
    pub fn audit_page(&self, filter: &AuditFilter) -> Result<AuditPage, ReadError> {
        self.0.environment.read(|txn, tables| audit::page(txn, tables, filter))
    }

    /// The end of the audit chain.
    pub fn audit_head(&self) -> Result<AuditHead, ReadError> {
        self.read(|snapshot| Ok(AuditHead::of(&snapshot.state()?)))
    }

    /// Checks the chain over the events numbered within `range` (from 1), and the index over them.
    pub fn audit_verify(&self, range: impl RangeBounds<u64>) -> Result<AuditReport, ReadError> {
        let first = match range.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 1,
        };
        let last = match range.end_bound() {
            Bound::Included(last) => *last,
            Bound::Excluded(after) => after.saturating_sub(1),
            Bound::Unbounded => u64::MAX,
        };
        audit::verify(&self.0.environment, first.max(1), last)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
        let Some(committer) = self.committer.take() else {
            self.changes.close();
            return;
        };
        // A waker that the commit thread runs may drop the last handle; it cannot wait for itself.
        if committer.thread().id() != thread::current().id() && committer.join().is_err() {
            log::error!("the store's commit thread panicked");
        }
    }
}
