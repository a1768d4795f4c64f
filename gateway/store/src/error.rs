//! Errors, by whose fault they are.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{Keyspace, Precondition, Revision};

/// Why a store did not open. Nothing was changed on disk.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else has it open; the process, where it is known.
    #[error("{} is in use by {}", path.display(), pid.map_or("another process".to_owned(), |pid| format!("process {pid}")))]
    InUse {
        /// The store.
        path: PathBuf,
        /// Its owner.
        pid: Option<u32>,
    },
    /// Written by a newer release.
    #[error("the store has schema {found}, this program knows up to {supported}: use a newer release")]
    NewerSchema {
        /// The store's schema.
        found: u32,
        /// The newest schema this program reads.
        supported: u32,
    },
    /// Not a store, or one that was cut or overwritten.
    #[error("{} is damaged or not a store: {why}", path.display())]
    Damaged {
        /// The data file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// There is nothing to read.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The data file.
        path: PathBuf,
    },
    /// The options contradict each other.
    #[error("store options: {0}")]
    Options(&'static str),
    /// The file system refused.
    #[error("store {}: {source}", path.display())]
    Io {
        /// What was opened.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Why a read failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// This record does not have the check it was written with. Others are not affected.
    #[error("record {keyspace}/{} is damaged", key.escape_ascii())]
    Damaged {
        /// Its keyspace.
        keyspace: Keyspace,
        /// Its key.
        key: Vec<u8>,
    },
    /// Too many readers at once; try again.
    #[error("the store has too many readers")]
    Busy,
    /// The store's own bookkeeping, or the file system.
    #[error("the store cannot be read: {0}")]
    Io(Arc<io::Error>),
}

/// Why a batch was not committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// A precondition does not hold. Nothing of the batch was written.
    #[error("{keyspace}/{} is not as required: {expected}, but {}", key.escape_ascii(),
        found.map_or("it is absent".to_owned(), |revision| format!("it has revision {revision}")))]
    Conflict {
        /// Where.
        keyspace: Keyspace,
        /// Which key.
        key: Vec<u8>,
        /// What the batch required.
        expected: Precondition,
        /// The revision that is there.
        found: Option<Revision>,
    },
    /// A precondition names a record that is damaged; overwrite or delete it without one.
    #[error("record {keyspace}/{} is damaged", key.escape_ascii())]
    Damaged {
        /// Where.
        keyspace: Keyspace,
        /// Which key.
        key: Vec<u8>,
    },
    /// The batch cannot be stored as it is.
    #[error(transparent)]
    Invalid(#[from] InvalidBatch),
    /// The disk or the store's limit is reached. Nothing was written.
    #[error("the store is full")]
    Full,
    /// Too many commits wait; try again.
    #[error("too many commits are waiting")]
    Busy,
    /// The store was opened for reading only.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// The store is closed or its commit thread ended.
    #[error("the store is closed")]
    Closed,
    /// The file system refused.
    #[error("the store cannot be written: {0}")]
    Io(Arc<io::Error>),
}

/// What is wrong with a batch; found before any transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBatch {
    /// Keys have at least one byte.
    #[error("empty key in {0}")]
    EmptyKey(Keyspace),
    /// Longer than [`crate::MAX_KEY_BYTES`].
    #[error("key of {bytes} bytes in {keyspace}")]
    LongKey {
        /// Where.
        keyspace: Keyspace,
        /// Its length.
        bytes: usize,
    },
    /// Longer than [`crate::Options::max_value_bytes`].
    #[error("value of {bytes} bytes in {keyspace}, at most {limit}")]
    LongValue {
        /// Where.
        keyspace: Keyspace,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// More than one transaction should hold.
    #[error("batch of {operations} operations and {bytes} bytes is too large")]
    TooLarge {
        /// Preconditions, writes and events.
        operations: usize,
        /// Their keys and values.
        bytes: usize,
    },
    /// An audit event without a `type` that is a string.
    #[error("audit event without a type")]
    UntypedEvent,
    /// An audit event that sets what only the store sets.
    #[error("audit event sets {0:?}, which the store fills in")]
    ReservedField(&'static str),
    /// An audit event longer than [`crate::Options::max_value_bytes`].
    #[error("audit event of {bytes} bytes, at most {limit}")]
    LongEvent {
        /// Its length as JSON.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// LMDB's answers in terms of this crate.
pub(crate) fn io_error(error: heed::Error) -> io::Error {
    match error {
        heed::Error::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

impl From<heed::Error> for ReadError {
    fn from(error: heed::Error) -> Self {
        match error {
            heed::Error::Mdb(heed::MdbError::ReadersFull) => Self::Busy,
            other => Self::Io(Arc::new(io_error(other))),
        }
    }
}

impl From<heed::Error> for CommitError {
    fn from(error: heed::Error) -> Self {
        match error {
            heed::Error::Mdb(heed::MdbError::MapFull) => Self::Full,
            heed::Error::Io(error)
                if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                Self::Full
            }
            other => Self::Io(Arc::new(io_error(other))),
        }
    }
}
