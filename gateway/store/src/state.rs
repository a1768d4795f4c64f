//! The store's own record: its schema, the last revision, the end of the audit chain.

use heed::types::Bytes;
use heed::{Database, RoTxn, RwTxn};
use serde::{Deserialize, Serialize};

use crate::{Revision, record};

/// The schema this release writes, and the newest that it reads.
pub(crate) const SCHEMA: u32 = 1;

const NAME: &str = "state";

/// Read at the start of every transaction, written at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) schema: u32,
    pub(crate) revision: Revision,
    /// Number of the last audit event; 0: none yet.
    pub(crate) audit_seq: u64,
    /// SHA-256 of its bytes, in hex; 64 zeros before the first.
    pub(crate) audit_hash: String,
    /// The latest time of any event, µs since 1970. The clock may step back, this does not.
    pub(crate) audit_clock: i64,
}

impl Default for State {
    fn default() -> Self {
        Self { schema: SCHEMA, revision: 0, audit_seq: 0, audit_hash: "0".repeat(64), audit_clock: 0 }
    }
}

/// The part of the state that every schema has.
#[derive(Deserialize)]
struct Header {
    schema: u32,
}

impl State {
    pub(crate) fn load(txn: &RoTxn<'_>, table: Database<'_, Bytes, Bytes>) -> heed::Result<Self> {
        parse(txn, table)
    }

    /// Only the schema, which can be read of any release's store.
    pub(crate) fn load_schema(txn: &RoTxn<'_>, table: Database<'_, Bytes, Bytes>) -> heed::Result<u32> {
        parse::<Header>(txn, table).map(|header| header.schema)
    }

    pub(crate) fn save(&self, txn: &mut RwTxn<'_>, table: Database<'_, Bytes, Bytes>) -> heed::Result<()> {
        let json = serde_json::to_vec(self).map_err(|error| heed::Error::Encoding(error.into()))?;
        table.put(txn, NAME.as_bytes(), &record::encode(NAME, NAME.as_bytes(), self.revision, &json))
    }
}

fn parse<T: for<'de> Deserialize<'de>>(
    txn: &RoTxn<'_>,
    table: Database<'_, Bytes, Bytes>,
) -> heed::Result<T> {
    let stored = table.get(txn, NAME.as_bytes())?.unwrap_or_default();
    let (_, json) = record::decode(NAME, NAME.as_bytes(), stored)
        .ok_or_else(|| heed::Error::Decoding("the store's state is damaged".into()))?;
    serde_json::from_slice(json).map_err(|error| heed::Error::Decoding(error.into()))
}
