//! What the tests of recordings share.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mezite_recording::{
    Archive, Body, Closed, Codec, Frame, Header, Kind, Pty, Reader, SessionId, Size, State, Writer,
};
use tempfile::TempDir;

/// The day's folder of every recording that [`header`] begins.
pub const DAY: &str = "2026/11/23";

pub fn session(number: u8) -> SessionId {
    SessionId::from_bytes([number; 16])
}

/// The header of a shell on a terminal of 80 × 24.
pub fn header(number: u8) -> Header {
    Header {
        session: session(number),
        user: "alice".into(),
        login: "deploy".into(),
        node: "db-1".into(),
        kind: Kind::Shell,
        started: "2026-11-23T22:17:00.5Z".parse().unwrap(),
        pty: Some(Pty { term: "xterm-256color".into(), size: Size::DEFAULT }),
        command: None,
    }
}

/// A folder of recordings that is gone with its value.
pub struct Scratch {
    folder: TempDir,
    pub archive: Archive,
    pub codec: Codec,
}

impl Scratch {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(&folder.path().join("recordings")).unwrap();
        Self { folder, archive, codec: Codec::new().unwrap() }
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("recordings")
    }

    /// A path beside the recordings.
    pub fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file of a session's recording.
    pub fn file(&self, number: u8) -> PathBuf {
        self.root().join(DAY).join(format!("{}.mezrec", session(number)))
    }

    /// The file of a recording that is not whole.
    pub fn part(&self, number: u8) -> PathBuf {
        self.root().join(DAY).join(format!("{}.mezrec.part", session(number)))
    }

    pub fn create(&self, number: u8) -> Writer {
        self.archive.create(&header(number)).unwrap()
    }

    /// Records these frames as session 1: each a millisecond after the one before.
    pub fn record(&mut self, bodies: &[Body<'_>]) -> Closed {
        let mut writer = self.create(1);
        for (body, at) in bodies.iter().zip(0..) {
            self.push(&mut writer, at, *body);
        }
        writer.finish(&mut self.codec, Duration::from_hours(1), "exit").unwrap()
    }

    pub fn push(&mut self, writer: &mut Writer, at_ms: u64, body: Body<'_>) {
        writer.push(&mut self.codec, Frame { at: Duration::from_millis(at_ms), channel: 3, body }).unwrap();
    }

    pub fn read(&self, number: u8) -> Reader<impl Read> {
        self.archive.read(session(number)).unwrap()
    }
}

/// Reads to the end: all output, how many frames, the state.
pub fn drain<R: Read>(reader: &mut Reader<R>) -> (Vec<u8>, usize, State) {
    let (mut output, mut frames) = (Vec::new(), 0);
    while let Some(frame) = reader.next_frame().unwrap() {
        frames += 1;
        output.extend_from_slice(frame.body.output().map_or(&[][..], |(_, data)| data));
    }
    (output, frames, reader.state().unwrap())
}

/// The names in a folder, in order.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Runs the test `name` again in a process in which no file can be larger than so many KiB. False in the process
/// that asked for it, where the test has passed then.
pub fn in_process_with_small_files(name: &str, kib: u32) -> bool {
    const MARK: &str = "MEZITE_TEST_SMALL_FILES";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let test = Command::new("sh")
        // Counted in units of 512 bytes; without the trap the first write beyond it would be the last.
        .args(["-c", r#"trap '' XFSZ; ulimit -f "$0"; exec "$@""#, &(2 * kib).to_string()])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&test.stdout).into_owned();
    assert!(test.status.success() && said.contains("1 passed"), "{said}");
    false
}
