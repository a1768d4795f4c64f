//! What a recording says about its session before the first frame.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SessionId;
use crate::utf8::cut;

/// The longest header, in bytes of JSON: room for a command of 64 KiB whose every character is escaped.
pub(crate) const MAX_HEADER: usize = 512 * 1024;

/// The longest command that a header holds whole, in bytes.
const MAX_COMMAND: usize = 64 * 1024;

/// Who did what where: the JSON at the start of a recording. Fields that are not known are passed over when read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The session that was recorded.
    pub session: SessionId,
    /// Who was logged in at the gateway.
    pub user: String,
    /// The local account on the node.
    pub login: String,
    /// The node's name.
    pub node: String,
    /// What was started on the channel.
    pub kind: Kind,
    /// When the session began, by the gateway's clock. All frames count from here.
    pub started: Timestamp,
    /// The terminal that the session asked for, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pty: Option<Pty>,
    /// The command of an `exec`, made by [`command_text`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// What a session channel was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A shell, or a subsystem that is not sftp.
    Shell,
    /// One command.
    Exec,
    /// The subsystem `sftp`: operations are recorded, not the bytes.
    Sftp,
}

/// A `pty-req` (RFC 4254, section 6.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pty {
    /// The value of `TERM`.
    pub term: String,
    /// The size at the start.
    #[serde(flatten)]
    pub size: Size,
}

/// The size of a terminal in characters, each dimension within 1 to [`Size::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Dimensions")]
pub struct Size {
    cols: u16,
    rows: u16,
}

/// A size as somebody else wrote it.
#[derive(Deserialize)]
struct Dimensions {
    cols: u32,
    rows: u32,
}

impl Size {
    /// The largest dimension that is recorded, so that a player need not set aside memory for 2^32 − 1 columns.
    pub const MAX: u16 = 4096;

    /// What is assumed of a terminal that has not told its size.
    pub const DEFAULT: Self = Self { cols: 80, rows: 24 };

    /// The size `cols` × `rows` as a peer announced it. A zero says nothing (RFC 4254, section 6.2), so that
    /// dimension is taken from `before`; what is larger than [`Size::MAX`] is cut to it.
    pub fn clamped(cols: u32, rows: u32, before: Self) -> Self {
        let clamp = |value: u32, before| match u16::try_from(value) {
            Ok(0) => before,
            Ok(value) => value.min(Self::MAX),
            Err(_) => Self::MAX,
        };
        Self { cols: clamp(cols, before.cols), rows: clamp(rows, before.rows) }
    }

    /// Characters in a line.
    pub const fn cols(self) -> u16 {
        self.cols
    }

    /// Lines on the screen.
    pub const fn rows(self) -> u16 {
        self.rows
    }
}

impl From<Dimensions> for Size {
    fn from(Dimensions { cols, rows }: Dimensions) -> Self {
        Self::clamped(cols, rows, Self::DEFAULT)
    }
}

/// The text under which a header keeps the bytes of a command: at most 64 KiB, cut at a character with an `…` in
/// place of the rest; bytes that are not UTF-8 become U+FFFD.
pub fn command_text(command: &[u8]) -> String {
    let text = String::from_utf8_lossy(command);
    if text.len() <= MAX_COMMAND {
        return text.into_owned();
    }
    let ellipsis = '…';
    let mut text = cut(&text, MAX_COMMAND - ellipsis.len_utf8()).to_owned();
    text.push(ellipsis);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_034_sizes_are_clamped() {
        let before = Size::clamped(132, 43, Size::DEFAULT);
        let cases = [
            ((0, 0), (132, 43)),
            ((u32::MAX, u32::MAX), (4096, 4096)),
            ((65_536, 1), (4096, 1)),
            ((0, 50), (132, 50)),
            ((4097, 4096), (4096, 4096)),
        ];
        for ((cols, rows), expected) in cases {
            let size = Size::clamped(cols, rows, before);
            assert_eq!((size.cols(), size.rows()), expected, "{cols}x{rows}");
        }
        let read: Size = serde_json::from_str(r#"{"cols":0,"rows":4294967295}"#).unwrap();
        assert_eq!((read.cols(), read.rows()), (80, 4096));
    }

    #[test]
    fn hostile_036_a_command_keeps_its_text_and_is_bounded() {
        assert_eq!(command_text(b"scp -t x; bash"), "scp -t x; bash");
        assert_eq!(command_text(b"sftp\0\xff"), "sftp\0\u{fffd}");
        let long = command_text("é".repeat(40_000).as_bytes());
        assert!(long.len() <= MAX_COMMAND && long.ends_with("é…"), "{} bytes", long.len());
    }
}
