//! Reading: everything that one snapshot answers is of one moment.

use std::ops::{Bound, RangeBounds};

use heed::RoTxn;

use crate::environment::{Table, Tables};
use crate::state::State;
use crate::{Keyspace, MAX_KEY_BYTES, ReadError, Revision, Versioned, record};

/// A key with what it holds.
pub type Entry = (Vec<u8>, Versioned);

/// The store as it was when [`crate::Store::read`] began.
pub struct Snapshot<'a> {
    pub(crate) txn: &'a RoTxn<'a>,
    pub(crate) tables: &'a Tables,
}

impl Snapshot<'_> {
    /// The newest revision; [`crate::Store::watch`] from it misses nothing after this snapshot.
    pub fn revision(&self) -> Result<Revision, ReadError> {
        Ok(self.state()?.revision)
    }

    /// The value of a key.
    pub fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Versioned>, ReadError> {
        // Such a key cannot be there, and LMDB takes it for an error.
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Ok(None);
        }
        let stored = self.tables.keyspace(keyspace).get(self.txn, key)?;
        stored.map(|stored| decode(keyspace, key, stored)).transpose()
    }

    /// The entries within `bounds` in key order, at most `limit`. A damaged record is an error.
    pub fn range<'k>(
        &self,
        keyspace: Keyspace,
        bounds: impl RangeBounds<&'k [u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        self.scan(keyspace, bounds, limit)?.into_iter().map(|(key, value)| Ok((key, value?))).collect()
    }

    /// The entries whose keys begin with `prefix`, at most `limit`. A damaged record is an error.
    pub fn prefix(&self, keyspace: Keyspace, prefix: &[u8], limit: usize) -> Result<Vec<Entry>, ReadError> {
        let end = successor(prefix);
        let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.range(keyspace, (Bound::Included(prefix), end), limit)
    }

    /// As `range`, but a damaged record stands as an error in its place: for lists that flag it.
    #[allow(clippy::type_complexity)] // an entry that may be damaged, written out
    pub fn scan<'k>(
        &self,
        keyspace: Keyspace,
        bounds: impl RangeBounds<&'k [u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Result<Versioned, ReadError>)>, ReadError> {
        let Some(bounds) = key_bounds(bounds.start_bound(), bounds.end_bound()) else {
            return Ok(Vec::new());
        };
        let table: Table = self.tables.keyspace(keyspace);
        let mut entries = Vec::new();
        for stored in table.range(self.txn, &bounds)?.take(limit) {
            let (key, stored) = stored?;
            entries.push((key.to_vec(), decode(keyspace, key, stored)));
        }
        Ok(entries)
    }

    pub(crate) fn state(&self) -> Result<State, ReadError> {
        Ok(State::load(self.txn, self.tables.state)?)
    }
}

fn decode(keyspace: Keyspace, key: &[u8], stored: &[u8]) -> Result<Versioned, ReadError> {
    match record::decode(keyspace.name(), key, stored) {
        Some((revision, value)) => Ok(Versioned { revision, value: value.to_vec() }),
        None => Err(ReadError::Damaged { keyspace, key: key.to_vec() }),
    }
}

type KeyBounds<'k> = (Bound<&'k [u8]>, Bound<&'k [u8]>);

/// The same range in keys that LMDB takes: 1 to [`MAX_KEY_BYTES`] bytes. `None`: nothing can be in it.
fn key_bounds<'k>(start: Bound<&&'k [u8]>, end: Bound<&&'k [u8]>) -> Option<KeyBounds<'k>> {
    let start = match start {
        Bound::Included([]) | Bound::Excluded([]) => Bound::Unbounded,
        // A stored key is no longer than its cut: greater than all of `key` is greater than the cut.
        Bound::Included(key) | Bound::Excluded(key) if key.len() > MAX_KEY_BYTES => {
            Bound::Excluded(&key[..MAX_KEY_BYTES])
        }
        other => other.map(|key| *key),
    };
    let end = match end {
        Bound::Included([]) | Bound::Excluded([]) => return None,
        Bound::Included(key) | Bound::Excluded(key) if key.len() > MAX_KEY_BYTES => {
            Bound::Included(&key[..MAX_KEY_BYTES])
        }
        other => other.map(|key| *key),
    };
    Some((start, end))
}

/// The first key after all that begin with `prefix`; `None`: there is none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successors() {
        assert_eq!(successor(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(successor(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(successor(b"\xff"), None);
        assert_eq!(successor(b""), None);
    }
}
