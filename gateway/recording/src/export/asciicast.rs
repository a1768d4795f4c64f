//! asciicast v2, the format of `asciinema`.

use std::io::{Read, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::line;
use crate::play::remark;
use crate::utf8::Utf8;
use crate::{Body, Header, PlayError, Reader, Size, State, Stream};

/// Writes the recording as asciicast v2: a line of JSON for the header, one for each event.
///
/// The output is in it as it was: a player that is not careful hands it to the terminal. What is not UTF-8 becomes
/// U+FFFD; a character that is cut between two frames is in the later one.
pub fn asciicast<R: Read>(reader: &mut Reader<R>, out: &mut impl Write) -> Result<State, PlayError> {
    line(out, &header(reader.header()))?;
    let (mut stdout, mut stderr) = (Utf8::default(), Utf8::default());
    let mut text = String::new();
    while let Some(frame) = reader.next_frame()? {
        match frame.body {
            Body::Stdout(data) | Body::Stderr(data) => {
                let stream = frame.body.output().map(|(stream, _)| stream);
                let utf8 = if stream == Some(Stream::Stderr) { &mut stderr } else { &mut stdout };
                utf8.push(data, &mut text);
                output(out, frame.at, &mut text)?;
            }
            Body::Resize(size) => {
                line(out, &event(frame.at, "r", &format!("{}x{}", size.cols(), size.rows())))?;
            }
            body => {
                if let Some(remark) = remark(&body) {
                    line(out, &event(frame.at, "m", &remark))?;
                }
            }
        }
    }
    stdout.finish(&mut text);
    stderr.finish(&mut text);
    output(out, reader.duration(), &mut text)?;
    Ok(reader.state().unwrap_or(State::Incomplete))
}

fn header(header: &Header) -> Value {
    let size = header.pty.as_ref().map_or(Size::DEFAULT, |pty| pty.size);
    let mut value = json!({
        "version": 2,
        "width": size.cols(),
        "height": size.rows(),
        "timestamp": header.started.as_second(),
        "title": format!("{}: {}@{}", header.user, header.login, header.node),
    });
    if let Some(command) = &header.command {
        value["command"] = command.as_str().into();
    }
    if let Some(pty) = &header.pty {
        value["env"] = json!({ "TERM": pty.term });
    }
    value
}

/// Writes what is in `text` as an event of output, and empties it.
fn output(out: &mut impl Write, at: Duration, text: &mut String) -> Result<(), PlayError> {
    if text.is_empty() {
        return Ok(());
    }
    let written = line(out, &event(at, "o", text));
    text.clear();
    written
}

fn event(at: Duration, code: &str, data: &str) -> Value {
    json!([at.as_secs_f64(), code, data])
}
