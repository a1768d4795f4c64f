//! What is committed: preconditions, writes and audit events.

use std::fmt;

use crate::{AuditEntry, InvalidBatch, Keyspace, MAX_KEY_BYTES, Options, Revision};

/// Most preconditions, writes and events of one batch.
const MAX_OPERATIONS: usize = 16 * 1024;
/// Most bytes of keys, values and events of one batch.
const MAX_BYTES: usize = 16 << 20;

/// What must hold for a key when the batch is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// The key is not there.
    Absent,
    /// The key is there.
    Present,
    /// The key was last written by the batch of this revision.
    Revision(Revision),
}

impl fmt::Display for Precondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("it should be absent"),
            Self::Present => f.write_str("it should be present"),
            Self::Revision(revision) => write!(f, "it should have revision {revision}"),
        }
    }
}

pub(crate) struct Requirement {
    pub(crate) keyspace: Keyspace,
    pub(crate) key: Vec<u8>,
    pub(crate) precondition: Precondition,
}

/// One write; `None` deletes.
pub(crate) struct Write {
    pub(crate) keyspace: Keyspace,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

/// All or nothing: preconditions, then writes in the order in which they were added, then audit events.
#[derive(Default)]
pub struct Batch {
    pub(crate) requirements: Vec<Requirement>,
    pub(crate) writes: Vec<Write>,
    pub(crate) entries: Vec<AuditEntry>,
    essential: bool,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Commits only if `key` is as required, before the writes of this batch.
    #[must_use]
    pub fn require(mut self, keyspace: Keyspace, key: &[u8], precondition: Precondition) -> Self {
        self.requirements.push(Requirement { keyspace, key: key.to_vec(), precondition });
        self
    }

    /// Writes a value.
    #[must_use]
    pub fn put(mut self, keyspace: Keyspace, key: &[u8], value: impl Into<Vec<u8>>) -> Self {
        self.writes.push(Write { keyspace, key: key.to_vec(), value: Some(value.into()) });
        self
    }

    /// Removes a key; nothing happens when it is not there.
    #[must_use]
    pub fn delete(mut self, keyspace: Keyspace, key: &[u8]) -> Self {
        self.writes.push(Write { keyspace, key: key.to_vec(), value: None });
        self
    }

    /// Appends an event to the audit log. A batch of nothing else is fine.
    #[must_use]
    pub fn audit(mut self, entry: AuditEntry) -> Self {
        self.entries.push(entry);
        self
    }

    /// May use the store's reserve when it is full: for locks and what else must always be possible.
    #[must_use]
    pub fn essential(mut self) -> Self {
        self.essential = true;
        self
    }

    /// Marked so, or it frees room and takes none but for its audit events.
    pub(crate) fn is_essential(&self) -> bool {
        let deletes_only = !self.writes.is_empty() && self.writes.iter().all(|write| write.value.is_none());
        self.essential || deletes_only
    }

    /// Finds what could not be stored, before any transaction; the batch's size in bytes.
    pub(crate) fn validate(&self, options: &Options) -> Result<usize, InvalidBatch> {
        let limit = options.max_value_bytes;
        let mut bytes = 0;
        for requirement in &self.requirements {
            bytes += check_key(requirement.keyspace, &requirement.key)?;
        }
        for Write { keyspace, key, value } in &self.writes {
            bytes += check_key(*keyspace, key)?;
            let length = value.as_ref().map_or(0, Vec::len);
            if length > limit {
                return Err(InvalidBatch::LongValue { keyspace: *keyspace, bytes: length, limit });
            }
            bytes += length;
        }
        for entry in &self.entries {
            bytes += entry.validate(limit)?;
        }
        let operations = self.requirements.len() + self.writes.len() + self.entries.len();
        if operations > MAX_OPERATIONS || bytes > MAX_BYTES {
            return Err(InvalidBatch::TooLarge { operations, bytes });
        }
        Ok(bytes)
    }
}

fn check_key(keyspace: Keyspace, key: &[u8]) -> Result<usize, InvalidBatch> {
    match key.len() {
        0 => Err(InvalidBatch::EmptyKey(keyspace)),
        bytes if bytes > MAX_KEY_BYTES => Err(InvalidBatch::LongKey { keyspace, bytes }),
        bytes => Ok(bytes),
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("requirements", &self.requirements.len())
            .field("writes", &self.writes.len())
            .field("entries", &self.entries.len())
            .field("essential", &self.essential)
            .finish()
    }
}
