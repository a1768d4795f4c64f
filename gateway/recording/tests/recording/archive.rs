//! The folder of recordings: what is made in it, what is never followed, how it is listed.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::process::Command;
use std::time::Duration;

use mezite_recording::{Body, Closing, Frame, Header, Kind, ReadError, SessionId, State, WriteError};

use super::support::{DAY, Scratch, drain, header, in_process_with_small_files, names, session};

#[test]
fn a_recording_is_private_and_named_as_done_when_it_is_whole() {
    let mut scratch = Scratch::new();
    let mut writer = scratch.create(1);
    assert_eq!(fs::metadata(scratch.part(1)).unwrap().permissions().mode() & 0o777, 0o600);
    for folder in ["", "2026", "2026/11", DAY] {
        let mode = fs::metadata(scratch.root().join(folder)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{folder}");
    }
    scratch.push(&mut writer, 10, Body::Stdout(b"hello"));
    assert_eq!(writer.path().to_string(), format!("{DAY}/{}.mezrec", session(1)));
    let closed = writer.finish(&mut scratch.codec, Duration::from_millis(1500), "exit").unwrap();
    assert_eq!(closed.footer.state, Closing::Complete);
    assert_eq!(closed.footer.ended.to_string(), "2026-11-23T22:17:02Z");
    assert_eq!(names(&scratch.root().join(DAY)), [format!("{}.mezrec", session(1))]);

    let mut reader = scratch.read(1);
    assert_eq!(reader.header(), &header(1));
    assert_eq!(drain(&mut reader), (b"hello".to_vec(), 1, State::Complete));
    assert_eq!(reader.footer(), Some(&closed.footer));
    assert_eq!(reader.digest(), closed.digest);
}

#[test]
fn hostile_035_no_recording_is_made_twice_or_opened_again() {
    let mut scratch = Scratch::new();
    let mut writer = scratch.create(1);
    let refused = || scratch.archive.create(&header(1)).err();
    assert!(matches!(refused(), Some(WriteError::Exists(id)) if id == session(1)), "while it is running");
    scratch.push(&mut writer, 0, Body::Stdout(b"first"));
    writer.finish(&mut scratch.codec, Duration::ZERO, "exit").unwrap();
    let before = fs::read(scratch.file(1)).unwrap();
    let again = scratch.archive.create(&header(1)).err();
    assert!(matches!(again, Some(WriteError::Exists(_))), "when it is past");
    assert_eq!(fs::read(scratch.file(1)).unwrap(), before);
    assert!(!scratch.part(1).exists());
}

#[test]
fn hostile_035_a_recording_that_appears_meanwhile_is_not_overwritten() {
    let mut scratch = Scratch::new();
    let writer = scratch.create(1);
    fs::write(scratch.file(1), "planted").unwrap();
    assert!(writer.finish(&mut scratch.codec, Duration::ZERO, "exit").is_err());
    assert_eq!(fs::read(scratch.file(1)).unwrap(), b"planted");
    assert!(scratch.part(1).exists());
}

#[test]
fn hostile_035_links_are_not_followed_when_writing() {
    let scratch = Scratch::new();
    let target = scratch.outside("target");
    fs::write(&target, "precious").unwrap();
    let folder = scratch.root().join(DAY);
    fs::create_dir_all(&folder).unwrap();
    symlink(&target, scratch.part(1)).unwrap();
    symlink(scratch.outside("nowhere"), scratch.part(2)).unwrap();
    symlink(&target, scratch.file(3)).unwrap();
    for number in 1..=3 {
        let refused = scratch.archive.create(&header(number)).err();
        assert!(matches!(refused, Some(WriteError::Exists(_))), "{number}: {refused:?}");
    }
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    assert_eq!(names(&scratch.outside("")), ["recordings", "target"]);

    // A link in place of any folder on the way.
    for planted in ["2026", "2026/11", DAY] {
        let scratch = Scratch::new();
        let elsewhere = scratch.outside("elsewhere");
        fs::create_dir_all(elsewhere.join("11/23")).unwrap();
        let place = scratch.root().join(planted);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        symlink(&elsewhere, &place).unwrap();
        let refused = scratch.archive.create(&header(1)).err();
        assert!(matches!(refused, Some(WriteError::Foreign(_))), "{planted}: {refused:?}");
        assert_eq!(names(&elsewhere.join("11/23")), [""; 0]);
        assert_eq!(names(&elsewhere), ["11"]);
    }
}

#[test]
fn hostile_035_links_and_pipes_are_not_read() {
    let mut scratch = Scratch::new();
    scratch.record(&[Body::Stdout(b"someone else's")]);
    symlink(scratch.file(1), scratch.file(2)).unwrap();
    let outside = scratch.outside("copy");
    fs::copy(scratch.file(1), &outside).unwrap();
    symlink(&outside, scratch.part(3)).unwrap();
    let pipe = Command::new("mkfifo").arg(scratch.file(4)).status().unwrap();
    assert!(pipe.success());
    // A folder elsewhere that looks like a day's.
    fs::create_dir_all(scratch.outside("2025/01/01")).unwrap();
    let foreign = format!("2025/01/01/{}.mezrec", session(5));
    fs::copy(scratch.file(1), scratch.outside(&foreign)).unwrap();
    symlink(scratch.outside("2025"), scratch.root().join("2025")).unwrap();

    // With a whole recording in the pipe.
    let mut other = Scratch::new();
    other.create(4).finish(&mut other.codec, Duration::ZERO, "exit").unwrap();
    let mut pipe = fs::OpenOptions::new().read(true).write(true).open(scratch.file(4)).unwrap();
    pipe.write_all(&fs::read(other.file(4)).unwrap()).unwrap();

    for number in 2..=5 {
        assert!(scratch.archive.read(session(number)).is_err(), "{number}");
    }
    assert!(matches!(scratch.archive.read(session(5)), Err(ReadError::NotFound)));
    assert!(matches!(scratch.archive.read(session(9)), Err(ReadError::NotFound)));
    let states: Vec<_> =
        scratch.archive.list().unwrap().iter().map(|info| (info.session, info.state.as_str())).collect();
    let expected = [(2, "corrupt"), (3, "corrupt"), (4, "corrupt"), (1, "complete")]
        .map(|(number, state)| (session(number), state));
    assert_eq!(states, expected);
}

#[test]
fn hostile_035_a_recording_under_the_name_of_another_is_refused() {
    let mut scratch = Scratch::new();
    scratch.record(&[Body::Stdout(b"mine")]);
    fs::rename(scratch.file(1), scratch.file(2)).unwrap();
    assert!(matches!(scratch.archive.read(session(2)), Err(ReadError::NotARecording(_))));
    let listed = scratch.archive.list().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].session, listed[0].state, listed[0].user.as_str()),
        (session(2), State::Corrupt { at: 0 }, "")
    );
}

#[test]
fn hostile_035_foreign_names_are_no_recordings() {
    let scratch = Scratch::new();
    let folder = scratch.root().join(DAY);
    fs::create_dir_all(&folder).unwrap();
    let (plain, capitals) =
        (session(0xab).to_string().replace('-', ""), session(0xab).to_string().to_uppercase());
    for name in [&plain, &capitals, "..%2fx", "x", "-", " "] {
        fs::write(folder.join(format!("{name}.mezrec.part")), "").unwrap();
        fs::write(folder.join(format!("{name}.mezrec")), "").unwrap();
    }
    for folder in ["2026/13/01", "2026/02/30", "26/11/23", "tmp/11/23"] {
        fs::create_dir_all(scratch.root().join(folder)).unwrap();
        fs::write(scratch.root().join(folder).join(format!("{}.mezrec.part", session(1))), "").unwrap();
    }
    assert_eq!(scratch.archive.list().unwrap(), []);
    assert!(scratch.archive.recover().unwrap().is_empty());
}

#[test]
fn recordings_are_listed_by_their_start_from_header_and_footer() {
    let mut scratch = Scratch::new();
    let running = scratch.create(1);
    let earlier = Header {
        started: "2025-12-31T23:59:59Z".parse().unwrap(),
        kind: Kind::Exec,
        command: Some("true".into()),
        ..header(2)
    };
    let mut writer = scratch.archive.create(&earlier).unwrap();
    scratch.push(&mut writer, 1000, Body::Stdout(b"12345"));
    scratch.push(&mut writer, 1000, Body::Stderr(b"678"));
    let closed = writer.finish(&mut scratch.codec, Duration::from_secs(2), "exit").unwrap();
    let path = closed.path.to_string();
    assert_eq!(path, format!("2025/12/31/{}.mezrec", session(2)));

    let listed = scratch.archive.list().unwrap();
    let [first, second] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!(
        serde_json::to_value(first).unwrap(),
        serde_json::json!({
            "session": session(2).to_string(), "user": "alice", "login": "deploy", "node": "db-1", "kind": "exec",
            "started": "2025-12-31T23:59:59Z", "ended": "2026-01-01T00:00:01Z",
            "bytes": fs::metadata(scratch.root().join(path)).unwrap().size(), "output": 8, "state": "complete",
        })
    );
    assert_eq!((second.session, second.state, second.ended), (session(1), State::Incomplete, None));
    drop(running);
}

#[test]
fn a_listing_takes_no_footer_from_what_a_session_wrote() {
    let mut scratch = Scratch::new();
    scratch.record(&[Body::Stdout(b"x")]);
    // The end of a whole recording, as output of a session that is killed just then.
    let mut part = fs::read(scratch.file(1)).unwrap();
    fs::remove_file(scratch.file(1)).unwrap();
    fs::write(scratch.part(1), &part).unwrap();
    assert_eq!(scratch.archive.list().unwrap()[0].state, State::Incomplete);
    // And one with a footer that is none.
    let length = part.len();
    part[length - 40] ^= 0x80;
    fs::write(scratch.file(2), &part).unwrap();
    assert!(scratch.archive.list().unwrap().iter().all(|info| info.state != State::Complete));
}

#[test]
fn a_full_disk_is_told_as_that() {
    for (error, full) in [(28, true), (122, true), (27, true), (5, false)] {
        let error = WriteError::from(std::io::Error::from_raw_os_error(error));
        assert_eq!(matches!(error, WriteError::Full(_)), full, "{error:?}");
    }
    // The real thing: this device is always full.
    let error = fs::OpenOptions::new().write(true).open("/dev/full").unwrap().write_all(b"x");
    assert!(matches!(WriteError::from(error.unwrap_err()), WriteError::Full(_)));
}

#[test]
fn a_block_that_finds_no_room_is_cut_off_and_the_recording_closed() {
    // The kernel writes a part of the block.
    if !in_process_with_small_files(
        "archive::a_block_that_finds_no_room_is_cut_off_and_the_recording_closed",
        32,
    ) {
        return;
    }
    let mut noise = vec![0; 100_000];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    let mut scratch = Scratch::new();
    let mut writer = scratch.create(1);
    scratch.push(&mut writer, 0, Body::Stdout(b"before"));
    writer.tick(&mut scratch.codec, Duration::from_secs(1)).unwrap();
    let frame = Frame { at: Duration::from_secs(1), channel: 3, body: Body::Stdout(&noise) };
    assert!(matches!(writer.push(&mut scratch.codec, frame), Err(WriteError::Full(_))));
    assert!(matches!(writer.push(&mut scratch.codec, frame), Err(WriteError::Stopped)));
    let torn = fs::metadata(scratch.part(1)).unwrap().len();
    assert_eq!(torn, 32 * 1024, "a part of the block was written");
    let closed = writer.finish(&mut scratch.codec, Duration::from_secs(2), "recording_failed").unwrap();
    assert_eq!(closed.footer.state, Closing::Incomplete);
    let mut reader = scratch.read(1);
    assert_eq!(drain(&mut reader), (b"before".to_vec(), 1, State::Incomplete));
    assert_eq!(reader.footer(), Some(&closed.footer));
}

#[test]
fn a_recording_whose_header_finds_no_room_leaves_nothing() {
    if !in_process_with_small_files("archive::a_recording_whose_header_finds_no_room_leaves_nothing", 0) {
        return;
    }
    let scratch = Scratch::new();
    assert!(matches!(scratch.archive.create(&header(1)).err(), Some(WriteError::Full(_))));
    assert_eq!(names(&scratch.root().join(DAY)), [""; 0]);
}

#[test]
fn a_reason_is_bounded() {
    let mut scratch = Scratch::new();
    let closed = scratch.create(1).finish(&mut scratch.codec, Duration::ZERO, &"é".repeat(5000)).unwrap();
    assert_eq!(closed.footer.reason, Some("é".repeat(100)));
    assert_eq!(drain(&mut scratch.read(1)).2, State::Complete);
}

#[test]
fn hostile_035_the_name_of_a_recording_comes_from_its_id_alone() {
    let mut scratch = Scratch::new();
    let mut hostile = header(1);
    hostile.user = "../../x".into();
    hostile.login = "/etc/passwd".into();
    hostile.node = "a/b\0c".into();
    hostile.command = Some("MEZITE_SESSION=../x\n".into());
    let writer = scratch.archive.create(&hostile).unwrap();
    let closed = writer.finish(&mut scratch.codec, Duration::ZERO, "exit").unwrap();
    assert_eq!(closed.path.to_string(), format!("{DAY}/{}.mezrec", session(1)));
    assert_eq!(scratch.read(1).header(), &hostile);
    assert_eq!("../x".parse::<SessionId>().ok(), None);
}
