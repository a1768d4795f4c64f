//! Every frame as a line of JSON.

use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::line;
use crate::footer::micros;
use crate::{Body, Frame, PlayError, Reader, State};

/// Writes the recording as JSON, an object a line: the header (`type` is `header`), each frame (`at` in
/// microseconds, `channel`, `type`, and what belongs to the type: output is in base64), and `type` `end` with the
/// state and the footer, if there is one.
pub fn json<R: Read>(reader: &mut Reader<R>, out: &mut impl Write) -> Result<State, PlayError> {
    line(out, &json!({ "type": "header", "header": reader.header() }))?;
    while let Some(frame) = reader.next_frame()? {
        line(out, &object(&frame))?;
    }
    let state = reader.state().unwrap_or(State::Incomplete);
    line(out, &json!({ "type": "end", "state": state, "footer": reader.footer() }))?;
    Ok(state)
}

fn object(frame: &Frame<'_>) -> Value {
    let (kind, mut object) = match frame.body {
        Body::Stdout(data) => ("stdout", json!({ "data": STANDARD.encode(data) })),
        Body::Stderr(data) => ("stderr", json!({ "data": STANDARD.encode(data) })),
        Body::Resize(size) => ("resize", json!(size)),
        Body::Digest(digest) => (
            "exec-digest",
            json!({
                "stream": digest.stream,
                "total": digest.total,
                "recorded": digest.recorded,
                "blake3": blake3::Hash::from_bytes(digest.blake3).to_hex().as_str(),
            }),
        ),
        Body::Note(text) => ("note", json!({ "text": text })),
        Body::Operation(text) => {
            ("sftp", json!({ "operation": serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)) }))
        }
        Body::Exit(status) => ("exit", json!({ "status": status })),
        Body::Signal(name) => ("signal", json!({ "name": name })),
        Body::Unknown { code, payload } => {
            ("unknown", json!({ "code": code, "data": STANDARD.encode(payload) }))
        }
    };
    object["type"] = kind.into();
    object["at"] = micros(frame.at).into();
    object["channel"] = frame.channel.into();
    object
}
