//! From what an event is about to its number: keys of a tag, 16 bytes of the value's SHA-256, and the number.
//!
//! Digests make every key equally long whatever the value; two values that shared one would only cost a look at the
//! event itself, which decides.

use heed::{RoTxn, RwTxn};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::environment::{Table, Tables};

/// What events are found by, and the fields that say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Facet {
    Type,
    User,
    Node,
}

impl Facet {
    pub(super) const ALL: [Self; 3] = [Self::Type, Self::User, Self::Node];

    const fn tag(self) -> u8 {
        match self {
            Self::Type => 1,
            Self::User => 2,
            Self::Node => 3,
        }
    }

    /// The fields of an event that this facet looks at.
    const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Type => &["type"],
            Self::User => &["actor", "subject"],
            Self::Node => &["node"],
        }
    }

    /// What `event` says of this facet.
    pub(super) fn values(self, event: &Map<String, Value>) -> impl Iterator<Item = String> {
        self.fields().iter().filter_map(|field| match event.get(*field)? {
            Value::String(text) => Some(text.clone()),
            // An operator at the socket is a uid.
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    }
}

const PREFIX: usize = 17;
type Prefix = [u8; PREFIX];

fn prefix(facet: Facet, value: &str) -> Prefix {
    let digest = Sha256::digest(value.as_bytes());
    let mut prefix = [facet.tag(); PREFIX];
    prefix[1..].copy_from_slice(&digest[..PREFIX - 1]);
    prefix
}

fn key(prefix: Prefix, seq: u64) -> [u8; PREFIX + 8] {
    let mut key = [0; PREFIX + 8];
    key[..PREFIX].copy_from_slice(&prefix);
    key[PREFIX..].copy_from_slice(&seq.to_be_bytes());
    key
}

/// Every key under which `event` is found.
fn keys(event: &Map<String, Value>, seq: u64) -> impl Iterator<Item = [u8; PREFIX + 8]> {
    Facet::ALL
        .into_iter()
        .flat_map(move |facet| facet.values(event).map(move |value| key(prefix(facet, &value), seq)))
}

pub(super) fn insert(
    txn: &mut RwTxn<'_>,
    tables: &Tables,
    event: &Map<String, Value>,
    seq: u64,
) -> heed::Result<()> {
    for key in keys(event, seq) {
        tables.audit_index.put(txn, &key, &[])?;
    }
    Ok(())
}

/// Whether `event` is found by everything it should be found by.
pub(super) fn covers(
    txn: &RoTxn<'_>,
    tables: &Tables,
    event: &Map<String, Value>,
    seq: u64,
) -> heed::Result<bool> {
    for key in keys(event, seq) {
        if tables.audit_index.get(txn, &key)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// An ascending list of event numbers: all of them, or those of one value of a facet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    table: Table,
    prefix: Option<Prefix>,
}

impl Numbers {
    pub(super) fn all(tables: &Tables) -> Self {
        Self { table: tables.audit, prefix: None }
    }

    pub(super) fn of(tables: &Tables, facet: Facet, value: &str) -> Self {
        Self { table: tables.audit_index, prefix: Some(prefix(facet, value)) }
    }

    /// The first number that is at least `seq`.
    pub(super) fn at_or_after(&self, txn: &RoTxn<'_>, seq: u64) -> heed::Result<Option<u64>> {
        let found = self.table.get_greater_than_or_equal_to(txn, &self.key(seq))?;
        Ok(found.and_then(|(key, _)| self.number(key)))
    }

    /// The last number that is at most `seq`.
    pub(super) fn at_or_before(&self, txn: &RoTxn<'_>, seq: u64) -> heed::Result<Option<u64>> {
        let found = self.table.get_lower_than_or_equal_to(txn, &self.key(seq))?;
        Ok(found.and_then(|(key, _)| self.number(key)))
    }

    fn key(&self, seq: u64) -> Vec<u8> {
        match self.prefix {
            Some(prefix) => key(prefix, seq).to_vec(),
            None => seq.to_be_bytes().to_vec(),
        }
    }

    /// The number in a key; `None` when the key is of another list.
    fn number(&self, key: &[u8]) -> Option<u64> {
        let number = match &self.prefix {
            Some(prefix) => key.strip_prefix(prefix)?,
            None => key,
        };
        Some(u64::from_be_bytes(number.try_into().ok()?))
    }
}
