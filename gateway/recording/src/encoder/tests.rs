//! The writer against disks that fail and clocks that jump.

use super::*;
use crate::{Kind, Reader, SessionId, State};

fn header() -> Header {
    Header {
        session: SessionId::from_bytes([7; 16]),
        user: "alice".into(),
        login: "deploy".into(),
        node: "db-1".into(),
        kind: Kind::Shell,
        started: "2026-11-23T22:17:00Z".parse().unwrap(),
        pty: None,
        command: None,
    }
}

/// A disk on which the n-th write fails after half of its bytes, and all later ones whole.
struct Failing {
    bytes: Vec<u8>,
    writes_left: usize,
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.writes_left == 0 {
            self.bytes.extend(bytes.iter().take(bytes.len() / 2));
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.writes_left -= 1;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn output(at: u64, data: &[u8]) -> Frame<'_> {
    Frame { at: Duration::from_millis(at), channel: 0, body: Body::Stdout(data) }
}

fn encoder<W: Write>(out: W) -> Result<Encoder<W>, WriteError> {
    Encoder::new(out, Prelude::new(&header())?)
}

#[test]
fn whichever_write_fails_what_was_written_before_is_whole() {
    let mut codec = Codec::new().unwrap();
    for writes in 0..8 {
        let made = encoder(Failing { bytes: Vec::new(), writes_left: writes });
        if writes == 0 {
            assert!(matches!(made, Err(WriteError::Full(_))));
            continue;
        }
        let mut encoder = made.unwrap();
        // A block each, as each comes 250 ms after the one before is due.
        let pushed: Vec<_> =
            (0..10).map(|n| encoder.push(&mut codec, output(n * 500, b"some output"))).collect();
        let failed = pushed.iter().position(Result::is_err).unwrap();
        assert_eq!(failed, writes, "the push that meets the failing write");
        assert!(matches!(pushed[failed], Err(WriteError::Full(_))));
        assert!(pushed[failed + 1..].iter().all(|push| matches!(push, Err(WriteError::Stopped))));
        assert!(matches!(encoder.finish(&mut codec, Duration::from_secs(9)), Err(WriteError::Stopped)));

        let (footer, ending, _) = encoder.ending("recording_failed").unwrap();
        assert_eq!(footer.state, Closing::Incomplete);
        let whole = usize::try_from(encoder.whole()).unwrap();
        let mut bytes = std::mem::take(&mut encoder.output().bytes);
        bytes.truncate(whole);
        bytes.extend(ending);
        let mut reader = Reader::new(&bytes[..]).unwrap();
        let mut frames = 0;
        while reader.next_frame().unwrap().is_some() {
            frames += 1;
        }
        assert_eq!((frames, reader.state()), (writes - 1, Some(State::Incomplete)));
    }
}

#[test]
fn frames_wait_a_quarter_of_a_second_and_idle_sessions_hold_no_memory() {
    let mut codec = Codec::new().unwrap();
    let mut encoder = encoder(Vec::new()).unwrap();
    let start = encoder.output().len();
    assert_eq!(encoder.due(), None);
    encoder.push(&mut codec, output(1000, b"$ ")).unwrap();
    assert_eq!(encoder.due(), Some(Duration::from_millis(1250)));
    encoder.push(&mut codec, output(1200, b"l")).unwrap();
    assert_eq!(encoder.due(), Some(Duration::from_millis(1250)));
    encoder.tick(&mut codec, Duration::from_millis(1249)).unwrap();
    assert_eq!(encoder.output().len(), start);
    assert!(encoder.block.capacity() < 1024);
    encoder.tick(&mut codec, Duration::from_millis(1250)).unwrap();
    assert!(encoder.output().len() > start);
    assert_eq!((encoder.due(), encoder.block.capacity()), (None, 0));
}

#[test]
fn bulk_reuses_its_memory_and_is_given_back_after() {
    let mut codec = Codec::new().unwrap();
    let mut encoder = encoder(Vec::new()).unwrap();
    let data = vec![b'x'; 32 * 1024];
    for _ in 0..50 {
        encoder.push(&mut codec, output(0, &data)).unwrap();
        assert!(encoder.block.len() <= MAX_BLOCK && encoder.block.capacity() <= 2 * MAX_BLOCK);
    }
    let blocks = 50 * data.len() / MAX_BLOCK;
    assert!(
        (blocks..blocks + 2).contains(&usize::try_from(encoder.totals.blocks).unwrap()),
        "blocks are filled"
    );
    encoder.tick(&mut codec, Duration::from_millis(250)).unwrap();
    assert_eq!(encoder.block.capacity(), 0);
}

#[test]
fn hostile_034_times_never_decrease() {
    let mut codec = Codec::new().unwrap();
    let mut encoder = encoder(Vec::new()).unwrap();
    let clock = [5, 3, 8, 0, 8, 700, 699, 2];
    for at in clock {
        encoder.push(&mut codec, output(at, b"x")).unwrap();
    }
    encoder.finish(&mut codec, Duration::ZERO).unwrap();
    let (footer, ending, _) = encoder.ending("exit").unwrap();
    assert_eq!(footer.duration, 700_000);
    encoder.output().extend(ending);

    let mut reader = Reader::new(&encoder.output()[..]).unwrap();
    let mut times = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        times.push(frame.at.as_millis());
    }
    assert_eq!(times, [5, 5, 8, 8, 8, 700, 700, 700]);
    assert_eq!(reader.state(), Some(State::Complete));
}

#[test]
fn a_header_beyond_the_format_is_refused() {
    let header = Header { command: Some("\u{1}".repeat(MAX_HEADER)), ..header() };
    assert!(matches!(Prelude::new(&header), Err(WriteError::HeaderTooLong(_))));
    // The longest command fits, whatever is in it.
    let header = Header { command: Some(crate::command_text(&vec![1; 100_000])), ..header };
    assert!(Prelude::new(&header).is_ok());
}

#[test]
fn hostile_034_endless_resizes_are_clamped_and_stay_small() {
    let mut codec = Codec::new().unwrap();
    let mut encoder = encoder(Vec::new()).unwrap();
    for n in 0..1_000_000_u32 {
        let size = encoder.resized([0, u32::MAX, 80, 132][(n % 4) as usize], n % 7);
        assert!((1..=Size::MAX).contains(&size.cols()) && (1..=Size::MAX).contains(&size.rows()));
        let at = Duration::from_micros(u64::from(n));
        encoder.push(&mut codec, Frame { at, channel: 0, body: Body::Resize(size) }).unwrap();
    }
    encoder.finish(&mut codec, Duration::from_secs(1)).unwrap();
    let length = encoder.output().len();
    assert!(length < 4_000_000, "{length} bytes for a million frames of 21");
}
