//! The audit log: events in one chain, each with the SHA-256 of the one before.
//!
//! An event lies in the `audit` table under its number (8 bytes, big-endian): first the chain's clock (8 bytes, µs
//! since 1970, never less than that of the event before), then the event, a JSON object with `seq`, `time` and `prev`
//! first. `prev` is the SHA-256 of the JSON bytes of the event before, in hex; 64 zeros for event 1.

mod append;
mod code;
mod index;
mod page;
mod verify;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::InvalidBatch;
use crate::state::State;

pub(crate) use append::append;
pub(crate) use page::page;
pub use page::{AuditEvent, AuditFilter, AuditPage};
pub(crate) use verify::verify;
pub use verify::{AuditFault, AuditReport, Tampering};

/// What only the store says of an event.
const FILLED_IN: [&str; 3] = ["seq", "time", "prev"];

/// An event to be appended. The store adds `seq`, `time` and `prev` when it is committed.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    pub(crate) event: Map<String, Value>,
}

impl AuditEntry {
    /// An event of a type, as semantics section 8 lists them: `node.create`. Its `code` comes with it.
    pub fn new(kind: &str) -> Self {
        let mut event = Map::new();
        event.insert("type".to_owned(), kind.into());
        if let Some(code) = code::code(kind) {
            event.insert("code".to_owned(), code.into());
        }
        Self { event }
    }

    /// Sets a field. `actor`, `subject` and `node` are what [`AuditFilter`] finds events by, beside the type.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.event.insert(field.to_owned(), value.into());
        self
    }

    /// What cannot be stored; else the bytes of its fields.
    pub(crate) fn validate(&self, limit: usize) -> Result<usize, InvalidBatch> {
        if !self.event.get("type").is_some_and(Value::is_string) {
            return Err(InvalidBatch::UntypedEvent);
        }
        if let Some(field) = FILLED_IN.into_iter().find(|field| self.event.contains_key(*field)) {
            return Err(InvalidBatch::ReservedField(field));
        }
        // Maps of strings and values always serialise.
        let bytes = serde_json::to_vec(&self.event).map_or(usize::MAX, |json| json.len());
        if bytes > limit { Err(InvalidBatch::LongEvent { bytes, limit }) } else { Ok(bytes) }
    }
}

impl From<Map<String, Value>> for AuditEntry {
    fn from(event: Map<String, Value>) -> Self {
        Self { event }
    }
}

/// The end of the chain: what a checkpoint signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditHead {
    /// Number of the last event; 0: none.
    pub seq: u64,
    /// SHA-256 of its stored bytes, in hex; 64 zeros: none.
    pub hash: String,
    /// The latest time of any event.
    pub time: Timestamp,
}

impl AuditHead {
    pub(crate) fn of(state: &State) -> Self {
        Self {
            seq: state.audit_seq,
            hash: state.audit_hash.clone(),
            time: Timestamp::from_microsecond(state.audit_clock).unwrap_or_default(),
        }
    }
}

/// A stored event: the chain's clock in µs, and the event's JSON bytes.
fn split(stored: &[u8]) -> Option<(i64, &[u8])> {
    let (clock, json) = stored.split_first_chunk()?;
    Some((i64::from_be_bytes(*clock), json))
}

/// SHA-256 in lower-case hex.
fn hex_digest(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
