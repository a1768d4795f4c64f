//! Recordings on the screen of who watches.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use mezite_recording::{Body, ExecDigest, PlayError, PlayOptions, Played, Size, State, Stream, play};

use super::support::Scratch;

const TERMINAL: PlayOptions =
    PlayOptions { terminal: true, raw: false, speed: 1.0, idle_limit: None, seek: Duration::ZERO };

/// What a played recording wrote, and the pauses that it made.
fn played(scratch: &Scratch, options: &PlayOptions) -> (String, Vec<u128>) {
    let (mut out, mut pauses) = (Vec::new(), Vec::new());
    let wait = |pause: Duration| {
        pauses.push(pause.as_millis());
        ControlFlow::Continue(())
    };
    let end = play(&mut scratch.read(1), &mut out, options, wait).unwrap();
    assert_eq!(end, Played::Ended(State::Complete));
    (String::from_utf8(out).unwrap(), pauses)
}

/// A recording of these pieces of output, each so many milliseconds after the start.
fn recorded(pieces: &[(u64, &[u8])]) -> Scratch {
    let mut scratch = Scratch::new();
    let mut writer = scratch.create(1);
    for &(at, data) in pieces {
        scratch.push(&mut writer, at, Body::Stdout(data));
    }
    writer.finish(&mut scratch.codec, Duration::from_mins(1), "exit").unwrap();
    scratch
}

/// Splits what was written into what was shown and the reset at the end.
fn split(out: &str) -> (&str, &str) {
    out.split_at(out.rfind("\x18\x1b\\").expect("the terminal is reset"))
}

#[test]
fn hostile_037_a_hostile_recording_only_shows_on_a_terminal() {
    let pieces: [(u64, &[u8]); 9] = [
        (0, b"\x1b]52;c;cm0gLXJmIH4=\x07one "),
        (1, b"\x1b]0;tit"),
        (2, b"le\x07\x1b[31mtwo\x1b[0m "),
        (3, b"\x1bP$qm\x1b\\\x1b[6"),
        (4, b"n\x1b[cthree "),
        (5, b"\x9b6n \xe2\x82"),
        (6, b"\xac\x1b[?1000h\x1b[?2004h"),
        (7, b"\r\nnext\x1b]0;unterminated"),
        (8, b"\r\nrm -rf /"),
    ];
    let (out, _) = played(&recorded(&pieces), &TERMINAL);
    let (shown, reset) = split(&out);
    assert_eq!(shown, "one \x1b[31mtwo\x1b[0m three \u{fffd}6n €\r\nnext\r\nrm -rf /");
    for restored in ["\x1b[0m", "\x1b[?25h", "\x1b[!p", "\x1b(B", "\x1b[?1000l", "\x1b[?2004l"] {
        assert!(reset.contains(restored), "{restored:?}");
    }
    assert!(!reset.contains("1049"), "the screen was never changed");
}

#[test]
fn hostile_037_raw_is_only_by_its_flag() {
    let hostile: &[u8] = b"\x1b]52;c;eA==\x07\x1b[6n";
    let scratch = recorded(&[(0, hostile)]);
    let (out, _) = played(&scratch, &TERMINAL);
    assert_eq!(split(&out).0, "");
    let (out, _) = played(&scratch, &PlayOptions { raw: true, ..TERMINAL });
    assert_eq!(split(&out).0.as_bytes(), hostile);
}

#[test]
fn hostile_037_the_alternate_screen_is_left_at_the_end() {
    for raw in [false, true] {
        let (out, _) = played(&recorded(&[(0, b"\x1b[?1049hvim")]), &PlayOptions { raw, ..TERMINAL });
        assert!(split(&out).1.contains("\x1b[?1049l"));
        let (out, _) =
            played(&recorded(&[(0, b"\x1b[?1049hvim\x1b[?1049l")]), &PlayOptions { raw, ..TERMINAL });
        assert!(!split(&out).1.contains("1049"));
    }
}

#[test]
fn hostile_037_stopping_resets_the_terminal() {
    let scratch = recorded(&[(0, b"\x1b[31mred"), (1000, b" never shown")]);
    let mut out = Vec::new();
    let end = play(&mut scratch.read(1), &mut out, &TERMINAL, |_| ControlFlow::Break(())).unwrap();
    assert_eq!(end, Played::Stopped);
    let out = String::from_utf8(out).unwrap();
    let (shown, reset) = split(&out);
    assert_eq!(shown, "\x1b[31mred");
    assert!(reset.contains("\x1b[0m"));
}

/// A terminal that fails once, at the n-th write.
struct Failing {
    writes_left: usize,
    written: Vec<u8>,
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.writes_left;
        self.writes_left = left.wrapping_sub(1);
        if left == 0 {
            return Err(io::ErrorKind::Other.into());
        }
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn hostile_037_a_failure_resets_the_terminal() {
    let scratch = recorded(&[(0, b"\x1b[31mred"), (1, b"red"), (2, b"red")]);
    for writes in 0..3 {
        let mut out = Failing { writes_left: writes, written: Vec::new() };
        let end = play(&mut scratch.read(1), &mut out, &TERMINAL, |_| ControlFlow::Continue(()));
        assert!(matches!(end, Err(PlayError::Output(_))));
        assert!(String::from_utf8(out.written).unwrap().contains("\x1b[0m"), "after {writes} writes");
    }
}

#[test]
fn hostile_037_resizes_leave_the_viewers_window_alone() {
    let mut scratch = Scratch::new();
    let mut writer = scratch.create(1);
    for n in 0..100_000_u32 {
        let size = writer.resized(n % 5000, n);
        scratch.push(&mut writer, 0, Body::Resize(size));
    }
    scratch.push(&mut writer, 0, Body::Stdout(b"shown"));
    writer.finish(&mut scratch.codec, Duration::ZERO, "exit").unwrap();
    let (out, pauses) = played(&scratch, &TERMINAL);
    assert_eq!((split(&out).0, pauses.len()), ("shown", 0));
}

#[test]
fn pauses_follow_speed_idle_limit_and_seek() {
    let scratch = recorded(&[(0, b"a"), (500, b"b"), (10_500, b"c"), (12_500, b"d")]);
    let cases = [
        (TERMINAL, vec![500, 10_000, 2000]),
        (PlayOptions { speed: 2.0, ..TERMINAL }, vec![250, 5000, 1000]),
        (PlayOptions { idle_limit: Some(Duration::from_secs(1)), ..TERMINAL }, vec![500, 1000, 1000]),
        (
            PlayOptions { idle_limit: Some(Duration::from_secs(1)), speed: 0.5, ..TERMINAL },
            vec![1000, 2000, 2000],
        ),
        (PlayOptions { seek: Duration::from_secs(10), ..TERMINAL }, vec![500, 2000]),
        (PlayOptions { seek: Duration::MAX, ..TERMINAL }, vec![]),
    ];
    for (options, expected) in cases {
        let (out, pauses) = played(&scratch, &options);
        assert_eq!((split(&out).0, &pauses), ("abcd", &expected), "{options:?}");
    }
    for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let options = PlayOptions { speed, ..TERMINAL };
        let refused = play(&mut scratch.read(1), &mut Vec::new(), &options, |_| ControlFlow::Continue(()));
        assert!(matches!(refused, Err(PlayError::Speed)), "{speed}");
    }
}

#[test]
fn without_a_terminal_the_output_is_written_at_once_as_it_was() {
    let hostile: &[u8] = b"\x1b]0;t\x07\x1b[6n\xff\0";
    let scratch = recorded(&[(0, hostile), (99_000, b"end")]);
    let options = PlayOptions { seek: Duration::from_secs(50), speed: 0.0, ..PlayOptions::default() };
    let mut out = Vec::new();
    let end = play(&mut scratch.read(1), &mut out, &options, |_| panic!("nothing is waited for")).unwrap();
    assert_eq!(end, Played::Ended(State::Complete));
    assert_eq!(out, [hostile, b"end"].concat());
}

#[test]
fn the_gateways_remarks_are_shown_clean() {
    let mut scratch = Scratch::new();
    let digest = ExecDigest { stream: Stream::Stdout, total: 300, recorded: 100, blake3: [0xab; 32] };
    let resize = Body::Resize(Size::DEFAULT);
    scratch.record(&[Body::Note("hostile \x1b]0;note\x07\n"), resize, Body::Digest(digest), Body::Exit(1)]);
    let (out, _) = played(&scratch, &TERMINAL);
    let digest = "ab".repeat(32);
    let expected = format!(
        "\r\n[mezite: hostile  ]0;note  ]\r\n\r\n[mezite: 100 of 300 bytes of output recorded, BLAKE3 of all {digest}]\r\n"
    );
    assert_eq!(split(&out).0, expected);
}
