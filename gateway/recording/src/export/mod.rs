//! Recordings in the formats of others.

mod asciicast;
mod json;
mod text;

use std::io::Write;

use serde_json::Value;

pub use asciicast::asciicast;
pub use json::json;
pub use text::text;

use crate::PlayError;

/// Writes a value as one line.
fn line(out: &mut impl Write, value: &Value) -> Result<(), PlayError> {
    serde_json::to_writer(&mut *out, value).map_err(|error| PlayError::Output(error.into()))?;
    out.write_all(b"\n").map_err(PlayError::Output)
}
