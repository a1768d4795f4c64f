//! The file of a recorded session: a text of turns, `<` what the peer said, `>` what we said, in hexadecimal.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

/// Bytes of a line.
const WIDTH: usize = 48;

/// A session.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The key or certificate that we show to a server, or the host key that we take from it: what a replay has to know.
    pub key: Vec<u8>,
    /// Who said what, in order; no two turns of one side follow each other.
    pub turns: Vec<Turn>,
}

/// What one side says before the other says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// The program.
    Peer(Vec<u8>),
    /// The engine.
    Ours(Vec<u8>),
}

impl Transcript {
    fn path(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/recorded").join(format!("{name}.txt"))
    }

    /// The peer says this.
    pub fn peer_says(&mut self, bytes: &[u8]) {
        match self.turns.last_mut() {
            Some(Turn::Peer(said)) => said.extend(bytes),
            _ => self.turns.push(Turn::Peer(bytes.to_vec())),
        }
    }

    /// We say this.
    pub fn we_say(&mut self, bytes: &[u8]) {
        match self.turns.last_mut() {
            _ if bytes.is_empty() => {}
            Some(Turn::Ours(said)) => said.extend(bytes),
            _ => self.turns.push(Turn::Ours(bytes.to_vec())),
        }
    }

    /// Reads a recorded one.
    pub fn read(name: &str) -> Self {
        let path = Self::path(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut transcript = Self::default();
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("key", hex)) => transcript.key = bytes(hex),
                Some(("<", hex)) => transcript.peer_says(&bytes(hex)),
                Some((">", hex)) => transcript.we_say(&bytes(hex)),
                _ => {}
            }
        }
        transcript
    }

    /// Keeps it.
    pub fn write(&self, name: &str) {
        let mut text = format!("# {name}: see README.md\nkey {}\n", hex(&self.key));
        for turn in &self.turns {
            let (sign, bytes) = match turn {
                Turn::Peer(bytes) => ('<', bytes),
                Turn::Ours(bytes) => ('>', bytes),
            };
            for line in bytes.chunks(WIDTH) {
                let _ = writeln!(text, "{sign} {}", hex(line));
            }
        }
        fs::write(Self::path(name), text).expect("a write to the repository");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at| hex.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    (0..hex.len()).step_by(2).map(|at| digits(at).expect("hexadecimal")).collect()
}
