//! What a crash leaves, and what a change to the file does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use mezite_recording::{Archive, Body, Outcome, Reader, State};
use proptest::prelude::*;

use super::support::{DAY, Scratch, drain, names, session};

/// A recording of three blocks that was cut off, and its length after the header and after each block.
fn cut_off(scratch: &mut Scratch) -> (Vec<u8>, Vec<usize>) {
    let mut writer = scratch.create(1);
    let length = |scratch: &Scratch| usize::try_from(fs::metadata(scratch.part(1)).unwrap().len()).unwrap();
    let mut ends = vec![length(scratch)];
    // The second block ends within a character.
    for (text, at) in [(&b"one"[..], 0), (&b"two \xe2\x82"[..], 1000), (&b"\xac three"[..], 2000)] {
        scratch.push(&mut writer, at, Body::Stdout(text));
        writer.tick(&mut scratch.codec, Duration::from_millis(at + 250)).unwrap();
        ends.push(length(scratch));
    }
    drop(writer);
    (fs::read(scratch.part(1)).unwrap(), ends)
}

/// Recovers session 1 from these bytes; what there is to read then.
fn recover(scratch: &Scratch, bytes: &[u8]) -> (Outcome, Option<(Vec<u8>, usize, State)>) {
    fs::write(scratch.part(1), bytes).unwrap();
    let mut recoveries = scratch.archive.recover().unwrap();
    assert_eq!(recoveries.len(), 1);
    let recovery = recoveries.remove(0);
    assert_eq!(recovery.path.session(), session(1));
    assert!(scratch.archive.recover().unwrap().is_empty(), "nothing is left for a second time");
    let read = scratch.archive.read(session(1)).ok().map(|mut reader| drain(&mut reader));
    // Whatever was made of it makes room for the next.
    for name in names(&scratch.root().join(DAY)) {
        fs::remove_file(scratch.root().join(DAY).join(name)).unwrap();
    }
    (recovery.outcome, read)
}

#[test]
fn cut_anywhere_it_plays_to_its_last_whole_block() {
    let mut scratch = Scratch::new();
    let (bytes, ends) = cut_off(&mut scratch);
    let output: [&[u8]; 4] = [b"", b"one", b"onetwo \xe2\x82", "onetwo € three".as_bytes()];
    for length in 0..=bytes.len() {
        for zeros in [0, 1, 44, 5000] {
            let mut torn = bytes[..length].to_vec();
            torn.resize(length + zeros, 0);
            let blocks = ends.iter().filter(|&&end| end <= length).count();
            let unrecovered = Reader::new(&torn[..]).map(|mut reader| drain(&mut reader));
            let (outcome, read) = recover(&scratch, &torn);
            let Some(blocks) = blocks.checked_sub(1) else {
                assert!(matches!(outcome, Outcome::Damaged(_)), "{length}+{zeros}: {outcome:?}");
                assert!(read.is_none() && unrecovered.is_err());
                continue;
            };
            let expected = output[blocks].to_vec();
            assert_eq!(read, Some((expected.clone(), blocks, State::Recovered)), "{length}+{zeros}");
            let cut = (torn.len() - ends[blocks]) as u64;
            assert!(
                matches!(outcome, Outcome::Recovered { cut: was, .. } if was == cut),
                "{length}: {outcome:?}"
            );
            // Before it is recovered it plays as far, and is never taken for whole. A block that is as long as it
            // should be but ends in zeros cannot be told from a changed one.
            let (played, _, state) = unrecovered.unwrap();
            assert_eq!(played, expected);
            let changed = State::Corrupt { at: ends[blocks] as u64 };
            assert!(
                state == State::Incomplete || zeros > 0 && state == changed,
                "{length}+{zeros}: {state:?}"
            );
        }
    }
}

#[test]
fn a_whole_recording_whose_name_was_lost_is_complete() {
    let mut scratch = Scratch::new();
    scratch.record(&[Body::Stdout(b"all of it"), Body::Exit(0)]);
    fs::rename(scratch.file(1), scratch.part(1)).unwrap();
    let bytes = fs::read(scratch.part(1)).unwrap();
    let (outcome, read) = recover(&scratch, &bytes);
    assert!(matches!(outcome, Outcome::Complete));
    assert_eq!(read, Some((b"all of it".to_vec(), 2, State::Complete)));
    // Cut within its footer it is not.
    for length in bytes.len() - 200..bytes.len() {
        let (_, read) = recover(&scratch, &bytes[..length]);
        assert!(matches!(read, Some((_, _, State::Recovered))), "{length}");
    }
}

#[test]
fn the_digest_of_a_recovered_recording_is_that_of_its_file() {
    let mut scratch = Scratch::new();
    cut_off(&mut scratch);
    let recoveries = scratch.archive.recover().unwrap();
    let Outcome::Recovered { digest, .. } = recoveries[0].outcome else { panic!("{recoveries:?}") };
    let mut reader = scratch.read(1);
    drain(&mut reader);
    assert_eq!(reader.digest(), digest);
    let footer = reader.footer().unwrap();
    assert_eq!((footer.reason.as_deref(), footer.duration), (Some("gateway_lost"), 2_000_000));
}

#[test]
fn what_cannot_be_recovered_keeps_nothing_else_from_it() {
    let mut scratch = Scratch::new();
    let (bytes, _) = cut_off(&mut scratch);
    let target = scratch.outside("target");
    fs::write(&target, &bytes).unwrap();
    // 1: good. 2: a link to something good. 3: another session's. 4: empty. 5: its name is taken.
    symlink(&target, scratch.part(2)).unwrap();
    fs::write(scratch.part(3), &bytes).unwrap();
    fs::write(scratch.part(4), "").unwrap();
    drop(scratch.create(5));
    fs::write(scratch.file(5), "planted").unwrap();

    let outcomes: Vec<_> =
        scratch.archive.recover().unwrap().into_iter().map(|recovery| recovery.outcome).collect();
    assert!(
        matches!(
            &outcomes[..],
            [
                Outcome::Recovered { .. },
                Outcome::Failed(_),
                Outcome::Damaged(_),
                Outcome::Damaged(_),
                Outcome::Failed(_)
            ]
        ),
        "{outcomes:?}"
    );
    assert_eq!(fs::read(&target).unwrap(), bytes, "no link is followed");
    assert!(fs::symlink_metadata(scratch.part(2)).unwrap().is_symlink());
    assert_eq!(fs::read(scratch.file(5)).unwrap(), b"planted", "nothing is overwritten");
    let damaged = [3, 4].map(|number| format!("{}.mezrec.part.damaged", session(number)));
    let after = names(&scratch.root().join(DAY));
    assert!(damaged.iter().all(|name| after.contains(name)), "{after:?}");
}

#[test]
fn any_changed_byte_is_found() {
    let mut scratch = Scratch::new();
    let mut writer = scratch.create(1);
    for at in [0, 1000] {
        scratch.push(&mut writer, at, Body::Stdout(b"rm -rf /"));
    }
    writer.finish(&mut scratch.codec, Duration::from_secs(2), "exit").unwrap();
    let bytes = fs::read(scratch.file(1)).unwrap();
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        if let Ok(mut reader) = Reader::new(&changed[..]) {
            let (output, _, state) = drain(&mut reader);
            assert!(!matches!(state, State::Complete | State::Recovered), "byte {place}: {state:?}");
            assert!(b"rm -rf /rm -rf /".starts_with(&output), "byte {place}");
        }
    }
    let longer = [&bytes[..], b"x"].concat();
    assert!(matches!(drain(&mut Reader::new(&longer[..]).unwrap()).2, State::Corrupt { .. }));
}

#[test]
fn blocks_that_are_removed_doubled_or_swapped_are_found() {
    let mut scratch = Scratch::new();
    let (bytes, ends) = cut_off(&mut scratch);
    let block = |n: usize| &bytes[ends[n]..ends[n + 1]];
    let start = &bytes[..ends[0]];
    for blocks in [vec![1, 2], vec![0, 2], vec![0, 0, 1, 2], vec![0, 2, 1]] {
        let forged: Vec<u8> = start.iter().chain(blocks.iter().flat_map(|&n| block(n))).copied().collect();
        let (_, frames, state) = drain(&mut Reader::new(&forged[..]).unwrap());
        assert!(matches!(state, State::Corrupt { .. }), "{blocks:?}");
        assert!(frames <= 1, "{blocks:?}");
    }
}

#[test]
fn a_block_that_claims_more_than_the_format_admits_is_refused() {
    let mut scratch = Scratch::new();
    let (bytes, ends) = cut_off(&mut scratch);
    // Stored length and raw length.
    for place in [4, 8] {
        let mut forged = bytes.clone();
        forged[ends[0] + place..ends[0] + place + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        let state = drain(&mut Reader::new(&forged[..]).unwrap()).2;
        assert_eq!(state, State::Corrupt { at: ends[0] as u64 });
    }
    // The length of the header.
    let mut forged = bytes;
    forged[10..14].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(Reader::new(&forged[..]).is_err());
}

#[test]
fn recovery_needs_only_the_folder() {
    let scratch = Scratch::new();
    assert!(scratch.archive.recover().unwrap().is_empty());
    assert!(Archive::open(Path::new("/dev/null/recordings")).is_err());
}

proptest! {
    #[test]
    fn whatever_the_bytes_are_reading_ends(mut bytes in prop::collection::vec(any::<u8>(), 0..2000), keep in 0..600_usize) {
        let mut scratch = Scratch::new();
        let (whole, _) = cut_off(&mut scratch);
        let kept = whole.iter().take(keep).copied().chain(bytes.drain(..)).collect::<Vec<_>>();
        if let Ok(mut reader) = Reader::new(&kept[..]) {
            let (_, _, state) = drain(&mut reader);
            prop_assert!(!matches!(state, State::Complete | State::Recovered));
        }
    }
}
