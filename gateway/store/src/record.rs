//! How a value lies on disk: a check, the revision of its last write, the bytes.
//!
//! LMDB keeps no checksums, so a flipped bit would go unnoticed. The check is the first 8 bytes of SHA-256 over table,
//! key, revision and value; it finds accidents, not attackers.

use std::fmt;

use sha2::{Digest, Sha256};

/// Counts committed batches; every batch has its own.
pub type Revision = u64;

const CHECK: usize = 8;
const HEADER: usize = CHECK + size_of::<Revision>();

/// A value and the revision of its last write.
#[derive(Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The batch that wrote it.
    pub revision: Revision,
    /// What was written.
    pub value: Vec<u8>,
}

impl fmt::Debug for Versioned {
    // Values may be sealed secrets or password hashes: only how long they are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Versioned {{ revision: {}, value: {} bytes }}", self.revision, self.value.len())
    }
}

fn check(table: &str, key: &[u8], rest: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    // Lengths first, so that no two different records run together into the same bytes.
    hash.update((table.len() as u64).to_be_bytes());
    hash.update((key.len() as u64).to_be_bytes());
    hash.update(table);
    hash.update(key);
    hash.update(rest);
    hash.finalize().into()
}

/// The bytes to store under `key` of `table`.
pub(crate) fn encode(table: &str, key: &[u8], revision: Revision, value: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEADER + value.len());
    record.extend_from_slice(&[0; CHECK]);
    record.extend_from_slice(&revision.to_be_bytes());
    record.extend_from_slice(value);
    let (head, rest) = record.split_at_mut(CHECK);
    for (to, from) in head.iter_mut().zip(check(table, key, rest)) {
        *to = from;
    }
    record
}

/// What `encode` was given; `None` when the record is not as it was written.
pub(crate) fn decode<'a>(table: &str, key: &[u8], record: &'a [u8]) -> Option<(Revision, &'a [u8])> {
    let (found, rest) = record.split_at_checked(CHECK)?;
    if !check(table, key, rest).starts_with(found) {
        return None;
    }
    let (revision, value) = rest.split_first_chunk()?;
    Some((Revision::from_be_bytes(*revision), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back() {
        let record = encode("nodes", b"db-1", 7, b"{}");
        assert_eq!(decode("nodes", b"db-1", &record), Some((7, b"{}".as_slice())));
    }

    #[test]
    fn any_flipped_bit_or_other_place_is_noticed() {
        let record = encode("nodes", b"db-1", 7, b"value");
        for bit in 0..record.len() * 8 {
            let mut flipped = record.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode("nodes", b"db-1", &flipped), None, "bit {bit}");
        }
        for cut in 0..record.len() {
            assert_eq!(decode("nodes", b"db-1", &record[..cut]), None, "cut at {cut}");
        }
        assert_eq!(decode("nodes", b"db-2", &record), None);
        assert_eq!(decode("roles", b"db-1", &record), None);
        assert_eq!(decode("node", b"sdb-1", &record), None);
    }

    #[test]
    fn debug_does_not_show_the_value() {
        let shown = format!("{:?}", Versioned { revision: 1, value: b"hunter2".to_vec() });
        assert_eq!(shown, "Versioned { revision: 1, value: 7 bytes }");
    }
}
