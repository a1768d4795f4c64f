//! Recordings in the formats of others.

use mezite_recording::{Body, ExecDigest, PlayError, Size, State, Stream, export};
use serde_json::{Value, json};

use super::support::{Scratch, header, session};

/// The lines of an export in JSON.
fn lines(export: impl FnOnce(&mut Vec<u8>) -> Result<State, PlayError>) -> Vec<Value> {
    let mut out = Vec::new();
    assert_eq!(export(&mut out).unwrap(), State::Complete);
    String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(bodies: &[Body<'_>]) -> String {
    let mut scratch = Scratch::new();
    scratch.record(bodies);
    let mut out = Vec::new();
    assert_eq!(export::text(&mut scratch.read(1), &mut out).unwrap(), State::Complete);
    String::from_utf8(out).unwrap()
}

#[test]
fn asciicast_is_version_2() {
    let mut scratch = Scratch::new();
    let size = Size::clamped(132, 43, Size::DEFAULT);
    scratch.record(&[
        Body::Stdout(b"$ \x1b[31mls\xe2"),
        Body::Stderr(b"error\xc3"),
        Body::Stdout(b"\x82\xac\xff"),
        Body::Resize(size),
        Body::Stderr(b"\xa9"),
        Body::Note("cut"),
        Body::Stdout(b"\xf0\x9f"),
        Body::Exit(0),
    ]);
    let lines = lines(|out| export::asciicast(&mut scratch.read(1), out));
    assert_eq!(
        lines,
        [
            json!({
                "version": 2, "width": 80, "height": 24, "timestamp": 1_795_472_220,
                "title": "alice: deploy@db-1", "env": { "TERM": "xterm-256color" },
            }),
            json!([0.0, "o", "$ \u{1b}[31mls"]),
            json!([0.001, "o", "error"]),
            json!([0.002, "o", "€\u{fffd}"]),
            json!([0.003, "r", "132x43"]),
            json!([0.004, "o", "é"]),
            json!([0.005, "m", "mezite: cut"]),
            json!([0.007, "o", "\u{fffd}"]),
        ]
    );
}

#[test]
fn json_has_an_object_for_each_frame() {
    let mut scratch = Scratch::new();
    let digest = ExecDigest { stream: Stream::Stdout, total: 9, recorded: 1, blake3: [0; 32] };
    scratch.record(&[
        Body::Stdout(b"\x1b\xff\0"),
        Body::Resize(Size::DEFAULT),
        Body::Digest(digest),
        Body::Operation(r#"{"op":"remove"}"#),
        Body::Signal("TERM"),
    ]);
    let lines = lines(|out| export::json(&mut scratch.read(1), out));
    let [start, frames @ .., end] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(start["header"], serde_json::to_value(header(1)).unwrap());
    assert_eq!(start["header"]["session"], session(1).to_string());
    assert_eq!(
        frames,
        [
            json!({ "at": 0, "channel": 3, "type": "stdout", "data": "G/8A" }),
            json!({ "at": 1000, "channel": 3, "type": "resize", "cols": 80, "rows": 24 }),
            json!({
                "at": 2000, "channel": 3, "type": "exec-digest", "stream": "stdout", "total": 9, "recorded": 1,
                "blake3": "0".repeat(64),
            }),
            json!({ "at": 3000, "channel": 3, "type": "sftp", "operation": { "op": "remove" } }),
            json!({ "at": 4000, "channel": 3, "type": "signal", "name": "TERM" }),
        ]
    );
    assert_eq!(
        (&end["type"], &end["state"], &end["footer"]["frames"]),
        (&json!("end"), &json!("complete"), &json!(5))
    );
}

#[test]
fn text_is_what_was_shown() {
    let shown = text(&[
        Body::Stdout(b"\x1b]0;title\x07\x1b[1mroot\x1b[0m# l"),
        Body::Stdout(b"s\r\n\tfile\r"),
        Body::Stdout(b"\nGr\xc3"),
        Body::Stdout(b"\xbc\xc3\x9fe\x07\x9b6n\r\n"),
        Body::Exit(0),
    ]);
    assert_eq!(shown, "root# ls\n\tfile\nGrüße\u{fffd}6n\n");
}

#[test]
fn text_hides_nothing_that_was_written_over() {
    assert_eq!(text(&[Body::Stdout(b"rm -rf /\recho hello\r\n\r\n")]), "rm -rf /\necho hello\n\n");
    assert_eq!(
        text(&[Body::Stdout(b"10%\r\r20%\r"), Body::Note("cut"), Body::Stdout(b"end")]),
        "10%\n20%\n[mezite: cut]\nend"
    );
    assert_eq!(text(&[Body::Stdout(b"last line\r")]), "last line\n");
}
