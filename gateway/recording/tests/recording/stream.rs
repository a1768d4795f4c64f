//! What goes into a recording comes out of it.

use std::fs;
use std::ops::ControlFlow;
use std::time::Duration;

use mezite_recording::{
    Body, Codec, ExecDigest, ExecLimit, ExecTap, Frame, Header, Kind, PlayOptions, Reader, Size, State,
    Stream, export, play,
};

use super::support::{Scratch, drain, header, session};

/// Plays session 1 as it is played where there is no terminal.
fn replayed(scratch: &Scratch) -> Vec<u8> {
    let mut out = Vec::new();
    let never = |_| -> ControlFlow<()> { panic!("nothing is waited for without a terminal") };
    play(&mut scratch.read(1), &mut out, &PlayOptions::default(), never).unwrap();
    out
}

#[test]
fn hostile_034_replayed_bytes_are_the_bytes_sent() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let mut long_line = vec![b'x'; 1024 * 1024];
    long_line.extend_from_slice("€".as_bytes());
    let mut noise = Vec::new();
    blake3::Hasher::new().finalize_xof().fill({
        noise.resize(3_000_000, 0);
        &mut noise
    });
    let pieces: [&[u8]; 10] = [
        b"\0\0NUL\0",
        b"\x80\x84\x85\x90\x9b\x9c\x9d\x9f",
        b"\xe2\x82",
        b"\xac",
        b"\xf0\x9f\x98",
        b"",
        &every_byte,
        &long_line,
        b"\x1b]0;unterminated",
        &noise,
    ];
    let mut scratch = Scratch::new();
    let bodies: Vec<_> = pieces.iter().map(|piece| Body::Stdout(piece)).collect();
    let closed = scratch.record(&bodies);
    let sent = pieces.concat();
    assert_eq!(closed.footer.totals.output, sent.len() as u64);
    assert_eq!(blake3::hash(&replayed(&scratch)), blake3::hash(&sent));
    assert_eq!(drain(&mut scratch.read(1)).2, State::Complete);

    // Every line of the exports parses alone, and the frames' bytes are the bytes sent.
    let (mut asciicast, mut json) = (Vec::new(), Vec::new());
    export::asciicast(&mut scratch.read(1), &mut asciicast).unwrap();
    export::json(&mut scratch.read(1), &mut json).unwrap();
    let lines = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>()
    };
    let events = lines(asciicast);
    let shown: String = events[1..].iter().map(|event| event[2].as_str().unwrap()).collect();
    assert_eq!(shown, String::from_utf8_lossy(&sent));
    let times: Vec<_> = events[1..].iter().map(|event| event[0].as_f64().unwrap()).collect();
    assert!(times.is_sorted());
    let data: Vec<u8> = lines(json)
        .iter()
        .filter_map(|frame| frame["data"].as_str())
        .flat_map(|data| base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data).unwrap())
        .collect();
    assert_eq!(data, sent);
}

#[test]
fn every_frame_comes_back_as_it_was() {
    let digest = ExecDigest { stream: Stream::Stderr, total: u64::MAX, recorded: 3, blake3: [9; 32] };
    let bodies = [
        Body::Stdout(b"out"),
        Body::Stderr(b"err"),
        Body::Resize(Size::clamped(132, 43, Size::DEFAULT)),
        Body::Digest(digest),
        Body::Note("a note"),
        Body::Operation(r#"{"op":"open"}"#),
        Body::Exit(u32::MAX),
        Body::Signal("KILL"),
        Body::Unknown { code: 200, payload: b"from the future" },
    ];
    let mut scratch = Scratch::new();
    scratch.record(&bodies);
    let mut reader = scratch.read(1);
    for (body, at) in bodies.into_iter().zip(0..) {
        let frame = reader.next_frame().unwrap();
        assert_eq!(frame, Some(Frame { at: Duration::from_millis(at), channel: 3, body }));
    }
    assert_eq!(reader.next_frame().unwrap(), None);
    assert_eq!(reader.state(), Some(State::Complete));
}

#[test]
fn hostile_036_the_recording_is_as_long_as_the_session() {
    let mut scratch = Scratch::new();
    let command = mezite_recording::command_text(b"scp -t x; bash");
    let header = Header { kind: Kind::Exec, command: Some(command), pty: None, ..header(1) };
    let mut writer = scratch.archive.create(&header).unwrap();
    // Output from the first microsecond, then none for 30 days, then some before the end.
    let month = 30 * 24 * 3600 * 1000;
    scratch.push(&mut writer, 0, Body::Stdout(b"first"));
    for hour in 1..720 {
        writer.tick(&mut scratch.codec, Duration::from_secs(hour * 3600)).unwrap();
    }
    scratch.push(&mut writer, month, Body::Stdout(b" last"));
    let closed = writer.finish(&mut scratch.codec, Duration::from_millis(month + 5), "exit").unwrap();
    assert_eq!(closed.footer.duration, (month + 5) * 1000);
    assert_eq!(closed.footer.ended.to_string(), "2026-12-23T22:17:00.505Z");
    let mut reader = scratch.read(1);
    assert_eq!(reader.header().command.as_deref(), Some("scp -t x; bash"));
    assert_eq!(drain(&mut reader).0, b"first last");
    assert_eq!(reader.duration(), Duration::from_millis(month));
}

#[test]
fn hostile_036_bulk_beyond_the_limit_is_counted_and_digested() {
    let mut scratch = Scratch::new();
    let mut writer = scratch.create(1);
    let mut tap = ExecTap::new(ExecLimit::Bytes(100_000));
    let packet = vec![0xa5; 32 * 1024];
    for _ in 0..10 {
        let kept = tap.take(Stream::Stdout, &packet);
        scratch.push(&mut writer, 0, Body::Stdout(kept));
    }
    for digest in tap.digests() {
        scratch.push(&mut writer, 1, Body::Digest(digest));
    }
    writer.finish(&mut scratch.codec, Duration::from_secs(1), "exit").unwrap();
    let mut reader = scratch.read(1);
    let mut digests = Vec::new();
    let mut output = 0;
    while let Some(frame) = reader.next_frame().unwrap() {
        match frame.body {
            Body::Stdout(data) => output += data.len(),
            Body::Digest(digest) => digests.push(digest),
            body => panic!("{body:?}"),
        }
    }
    let blake3 = *blake3::hash(&packet.repeat(10)).as_bytes();
    assert_eq!(output, 100_000);
    assert_eq!(digests, [ExecDigest { stream: Stream::Stdout, total: 327_680, recorded: 100_000, blake3 }]);
}

#[test]
fn one_codec_serves_many_recordings() {
    let scratch = Scratch::new();
    let mut codec = Codec::new().unwrap();
    let mut writers: Vec<_> = (1..=20).map(|number| scratch.create(number)).collect();
    for round in 0..10_u8 {
        for (writer, number) in writers.iter_mut().zip(1_u8..) {
            let body = Body::Stdout(&[number, round]);
            let at = Duration::from_millis(u64::from(round) * 200);
            writer.push(&mut codec, Frame { at, channel: 0, body }).unwrap();
        }
    }
    for writer in writers {
        writer.finish(&mut codec, Duration::from_secs(2), "exit").unwrap();
    }
    for number in 1..=20 {
        let expected: Vec<u8> = (0..10).flat_map(|round| [number, round]).collect();
        assert_eq!(drain(&mut scratch.read(number)), (expected, 10, State::Complete), "{}", session(number));
    }
}

#[test]
fn a_recording_can_be_read_while_it_is_made() {
    let mut scratch = Scratch::new();
    let mut writer = scratch.create(1);
    scratch.push(&mut writer, 0, Body::Stdout(b"so far"));
    writer.tick(&mut scratch.codec, Duration::from_secs(1)).unwrap();
    assert_eq!(drain(&mut scratch.read(1)), (b"so far".to_vec(), 1, State::Incomplete));
}

#[test]
fn frames_are_compressed() {
    let mut scratch = Scratch::new();
    let text = "the quick brown fox jumps over the lazy dog\r\n".repeat(10_000);
    scratch.record(&[Body::Stdout(text.as_bytes())]);
    let length = fs::metadata(scratch.file(1)).unwrap().len();
    assert!(length < text.len() as u64 / 20, "{length}");
    let file = fs::read(scratch.file(1)).unwrap();
    let mut reader = Reader::new(&file[..]).unwrap();
    assert_eq!(drain(&mut reader).0, text.as_bytes());
}
