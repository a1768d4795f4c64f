//! The reader against files whose links are right and whose content is not.

use jiff::Timestamp;

use super::*;
use crate::block::Codec;
use crate::encoder::{Prelude, ending};
use crate::footer::Closing;
use crate::{Body, Kind};

/// A recording with this block and a footer of these totals, every link right.
fn forged(block: &[u8], totals: Totals) -> Vec<u8> {
    let header = Header {
        session: SessionId::from_bytes([1; 16]),
        user: "alice".into(),
        login: "deploy".into(),
        node: "db-1".into(),
        kind: Kind::Shell,
        started: Timestamp::UNIX_EPOCH,
        pty: None,
        command: None,
    };
    let (mut bytes, chain) = Prelude::new(&header).unwrap().into_parts();
    let mut codec = Codec::new().unwrap();
    let (sealed, chain) = codec.seal(block, chain).unwrap();
    bytes.extend_from_slice(sealed);
    let footer = Footer::new(Closing::Complete, header.started, Duration::ZERO, totals, "exit");
    bytes.extend(ending(&footer, chain).unwrap().0);
    bytes
}

/// The times of the frames in a recording, and its state.
fn read(bytes: &[u8]) -> (Vec<u128>, State) {
    let mut reader = Reader::new(bytes).unwrap();
    let mut times = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        times.push(frame.at.as_micros());
    }
    (times, reader.state().unwrap())
}

fn block(times: &[u64]) -> Vec<u8> {
    let mut block = Vec::new();
    for &at in times {
        Frame { at: Duration::from_micros(at), channel: 0, body: Body::Stdout(b"xy") }.append(&mut block);
    }
    block
}

#[test]
fn a_footer_has_to_agree_with_what_was_read() {
    let right = Totals { blocks: 1, frames: 2, output: 4 };
    assert_eq!(read(&forged(&block(&[1, 2]), right)), (vec![1, 2], State::Complete));
    for wrong in [Totals { blocks: 2, ..right }, Totals { frames: 3, ..right }, Totals { output: 0, ..right }]
    {
        let (times, state) = read(&forged(&block(&[1, 2]), wrong));
        assert_eq!(times, [1, 2]);
        assert!(matches!(state, State::Corrupt { .. }), "{wrong:?}");
    }
}

#[test]
fn hostile_034_times_that_decrease_in_a_file_do_not_when_read() {
    let totals = Totals { blocks: 1, frames: 4, output: 8 };
    let (times, state) = read(&forged(&block(&[5, 3, 9, 0]), totals));
    assert_eq!((times, state), (vec![5, 5, 9, 9], State::Complete));
}

#[test]
fn a_block_with_a_malformed_frame_is_corrupt_as_a_whole() {
    let good = block(&[1]);
    let frame = |code: u8, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&good[..], &[code], &[0; 12], &length, payload].concat()
    };
    let malformed = [
        [&good[..], &[1, 0, 0]].concat(),
        good[..good.len() - 1].to_vec(),
        frame(3, &[0, 80, 0]),
        frame(3, &[0, 80, 0, 24, 0]),
        frame(4, &[1; 48]),
        frame(4, &[9; 49]),
        frame(5, b"\xff"),
        frame(6, b"\xff"),
        frame(7, &[0; 5]),
        frame(8, b"\xff"),
    ];
    for block in malformed {
        let (times, state) = read(&forged(&block, Totals { blocks: 1, ..Totals::default() }));
        assert!(times.is_empty() && matches!(state, State::Corrupt { .. }), "{block:?}: {state:?}");
    }
}

#[test]
fn a_header_longer_than_the_format_admits_is_not_read() {
    let mut bytes = forged(&[], Totals::default());
    bytes.splice(10..14, u32::try_from(MAX_HEADER + 1).unwrap().to_be_bytes());
    let refused = Reader::new(&bytes[..]).err();
    assert!(matches!(refused, Some(ReadError::NotARecording(why)) if why.contains("longer")), "{refused:?}");
    bytes.splice(8..10, [0, 2]);
    assert!(matches!(Reader::new(&bytes[..]).err(), Some(ReadError::UnknownVersion(2))));
}
