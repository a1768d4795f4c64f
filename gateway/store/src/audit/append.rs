//! Appending an event within a commit's transaction.

use heed::{PutFlags, RwTxn};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{AuditEntry, hex_digest, index};
use crate::environment::Tables;
use crate::state::State;

#[derive(Serialize)]
struct Stored<'a> {
    seq: u64,
    time: String,
    prev: &'a str,
    #[serde(flatten)]
    event: &'a Map<String, Value>,
}

/// Puts `entry` at the end of the chain and moves the chain's end in `state`.
pub(crate) fn append(
    txn: &mut RwTxn<'_>,
    tables: &Tables,
    state: &mut State,
    entry: &AuditEntry,
    now: Timestamp,
) -> heed::Result<()> {
    let seq = state.audit_seq + 1;
    let clock = state.audit_clock.max(now.as_microsecond());
    let stored = Stored { seq, time: format!("{now:.6}"), prev: &state.audit_hash, event: &entry.event };
    let mut bytes = clock.to_be_bytes().to_vec();
    serde_json::to_writer(&mut bytes, &stored).map_err(|error| heed::Error::Encoding(error.into()))?;
    let json = bytes.get(size_of_val(&clock)..).unwrap_or_default();
    state.audit_hash = hex_digest(json);
    // Never over an event that is there: a chain that goes on behind its end has been tampered with.
    tables.audit.put_with_flags(
        txn,
        PutFlags::APPEND | PutFlags::NO_OVERWRITE,
        &seq.to_be_bytes(),
        &bytes,
    )?;
    index::insert(txn, tables, &entry.event, seq)?;
    state.audit_seq = seq;
    state.audit_clock = clock;
    Ok(())
}
