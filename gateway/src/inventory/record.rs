//! How records lie in the store: JSON with the version of their form.

use mezite_store::Versioned;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::InventoryError;

/// The form that this program writes, and the only one there is yet.
const SCHEMA: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Record<T> {
    schema: u32,
    value: T,
}

/// The bytes to store.
pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // Records are maps with text keys: they always serialise.
    serde_json::to_vec(&Record { schema: SCHEMA, value }).unwrap_or_default()
}

/// The value of stored bytes; nothing when they are of another form.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let record: Record<T> = serde_json::from_slice(bytes).ok()?;
    (record.schema == SCHEMA).then_some(record.value)
}

/// As [`decode`], with an error that names the record. It must be `right`: a role under its own name, for example.
pub(super) fn read<T: DeserializeOwned>(
    what: &'static str,
    name: &str,
    stored: &Versioned,
    right: impl Fn(&T) -> bool,
) -> Result<T, InventoryError> {
    let value = decode(&stored.value).filter(right);
    value.ok_or_else(|| InventoryError::Unreadable { what, name: name.to_owned() })
}
