//! Reading a request body: JSON in, a checked request or a problem out.

use serde::de::DeserializeOwned;

use crate::{Problem, ProblemCode, escape};

/// The longest body, in bytes (design section 8).
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Reads a body. The problem names the field where it can be told; what was given is not repeated.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.len() > MAX_BODY_BYTES {
        return Err(Problem::new(ProblemCode::TooLarge, "the body is larger than 1 MiB"));
    }
    serde_json::from_slice(body).map_err(|error| problem(&error))
}

fn problem(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let problem = Problem::new(ProblemCode::Invalid, escape(&text));
    match field(&text) {
        Some(field) => problem.with_field(field),
        None => problem,
    }
}

/// The field that serde's message names: `` unknown field `x` ``, or our own `field: reason`.
fn field(text: &str) -> Option<&str> {
    if text.starts_with("unknown field")
        || text.starts_with("missing field")
        || text.starts_with("duplicate field")
    {
        return text.split('`').nth(1);
    }
    let (field, _) = text.split_once(": ")?;
    field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_').then_some(field)
}
