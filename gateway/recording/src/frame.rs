//! Frames: what a recording is made of, and their bytes inside a block.

use std::time::Duration;

use serde::Serialize;

use crate::Size;
use crate::footer::{Totals, micros};
use crate::utf8::cut;

/// Bytes before a frame's payload: type, channel, time, length.
pub(crate) const FRAME_HEAD: usize = 1 + 4 + 8 + 4;

/// The longest text in a frame, in bytes: texts of the gateway are cut to it.
const MAX_TEXT: usize = 32 * 1024;

/// One thing that happened in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Time since the session began.
    pub at: Duration,
    /// The channel of the client's connection that it happened on.
    pub channel: u32,
    /// What happened.
    pub body: Body<'a>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// The node sent output: `CHANNEL_DATA` (RFC 4254, section 5.2). A writer splits what is longer than a block.
    Stdout(&'a [u8]),
    /// The node sent extended data of type 1.
    Stderr(&'a [u8]),
    /// The terminal has this size from now on.
    Resize(Size),
    /// The output of a command went past the limit; this stands for what was not recorded.
    Digest(ExecDigest),
    /// The gateway says something about the recording or the session.
    Note(&'a str),
    /// One sftp operation, as JSON of at most 32 KiB.
    Operation(&'a str),
    /// The command ended with this status.
    Exit(u32),
    /// The command was ended by this signal (its name without `SIG`).
    Signal(&'a str),
    /// A frame of a type that this program does not know: to be passed over.
    Unknown {
        /// The type's number.
        code: u8,
        /// The payload.
        payload: &'a [u8],
    },
}

/// One of the two streams of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// `CHANNEL_DATA`.
    Stdout,
    /// `CHANNEL_EXTENDED_DATA` of type 1.
    Stderr,
}

/// What stands for output that was counted but not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecDigest {
    /// Which stream.
    pub stream: Stream,
    /// Bytes that the stream had in all.
    pub total: u64,
    /// Bytes of these, from the start on, that were recorded.
    pub recorded: u64,
    /// BLAKE3 over the whole stream, recorded or not.
    pub blake3: [u8; 32],
}

const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const RESIZE: u8 = 3;
const DIGEST: u8 = 4;
const NOTE: u8 = 5;
const OPERATION: u8 = 6;
const EXIT: u8 = 7;
const SIGNAL: u8 = 8;

impl<'a> Body<'a> {
    /// The output in this frame, if it is one of output.
    pub const fn output(&self) -> Option<(Stream, &'a [u8])> {
        match *self {
            Self::Stdout(data) => Some((Stream::Stdout, data)),
            Self::Stderr(data) => Some((Stream::Stderr, data)),
            _ => None,
        }
    }

    /// The most bytes that the payload can take, output excepted.
    pub(crate) fn payload_bound(&self) -> usize {
        match *self {
            Self::Stdout(data) | Self::Stderr(data) => data.len(),
            Self::Note(text) | Self::Operation(text) | Self::Signal(text) => text.len().min(MAX_TEXT),
            Self::Unknown { payload, .. } => payload.len().min(MAX_TEXT),
            Self::Resize(_) | Self::Digest(_) | Self::Exit(_) => 64,
        }
    }

    fn code(&self) -> u8 {
        match *self {
            Self::Stdout(_) => STDOUT,
            Self::Stderr(_) => STDERR,
            Self::Resize(_) => RESIZE,
            Self::Digest(_) => DIGEST,
            Self::Note(_) => NOTE,
            Self::Operation(_) => OPERATION,
            Self::Exit(_) => EXIT,
            Self::Signal(_) => SIGNAL,
            Self::Unknown { code, .. } => code,
        }
    }

    fn append_payload(&self, block: &mut Vec<u8>) {
        match *self {
            Self::Stdout(data) | Self::Stderr(data) => block.extend_from_slice(data),
            Self::Note(text) | Self::Operation(text) | Self::Signal(text) => {
                block.extend_from_slice(cut(text, MAX_TEXT).as_bytes());
            }
            Self::Unknown { payload, .. } => block.extend(payload.iter().take(MAX_TEXT)),
            Self::Exit(status) => block.extend_from_slice(&status.to_be_bytes()),
            Self::Resize(size) => {
                block.extend_from_slice(&size.cols().to_be_bytes());
                block.extend_from_slice(&size.rows().to_be_bytes());
            }
            Self::Digest(digest) => {
                block.push(match digest.stream {
                    Stream::Stdout => STDOUT,
                    Stream::Stderr => STDERR,
                });
                block.extend_from_slice(&digest.total.to_be_bytes());
                block.extend_from_slice(&digest.recorded.to_be_bytes());
                block.extend_from_slice(&digest.blake3);
            }
        }
    }

    /// The body of type `code`; nothing when the payload is not one of that type.
    fn decode(code: u8, payload: &'a [u8]) -> Option<Self> {
        let text = || std::str::from_utf8(payload).ok();
        Some(match code {
            STDOUT => Self::Stdout(payload),
            STDERR => Self::Stderr(payload),
            RESIZE => {
                let (cols, rows) = payload.split_first_chunk::<2>()?;
                let [cols, rows] =
                    [*cols, rows.try_into().ok()?].map(|value| u32::from(u16::from_be_bytes(value)));
                Self::Resize(Size::clamped(cols, rows, Size::DEFAULT))
            }
            DIGEST => Self::Digest(ExecDigest::decode(payload)?),
            NOTE => Self::Note(text()?),
            OPERATION => Self::Operation(text()?),
            EXIT => Self::Exit(u32::from_be_bytes(payload.try_into().ok()?)),
            SIGNAL => Self::Signal(text()?),
            _ => Self::Unknown { code, payload },
        })
    }
}

impl ExecDigest {
    fn decode(payload: &[u8]) -> Option<Self> {
        let (stream, rest) = payload.split_first()?;
        let (total, rest) = rest.split_first_chunk()?;
        let (recorded, rest) = rest.split_first_chunk()?;
        let stream = match *stream {
            STDOUT => Stream::Stdout,
            STDERR => Stream::Stderr,
            _ => return None,
        };
        let (total, recorded) = (u64::from_be_bytes(*total), u64::from_be_bytes(*recorded));
        Some(Self { stream, total, recorded, blake3: rest.try_into().ok()? })
    }
}

impl<'a> Frame<'a> {
    /// Appends the frame to the block that is being filled.
    pub(crate) fn append(&self, block: &mut Vec<u8>) {
        block.push(self.body.code());
        block.extend_from_slice(&self.channel.to_be_bytes());
        block.extend_from_slice(&micros(self.at).to_be_bytes());
        let length_at = block.len();
        block.extend_from_slice(&[0; 4]);
        self.body.append_payload(block);
        // A block is at most 64 KiB, so its parts fit.
        let length = u32::try_from(block.len() - length_at - 4).unwrap_or(u32::MAX);
        if let Some(place) = block.get_mut(length_at..length_at + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// The first frame of `bytes`, and what follows it; nothing when it is malformed.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (code, rest) = bytes.split_first()?;
        let (channel, rest) = rest.split_first_chunk()?;
        let (at, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (payload, rest) = rest.split_at_checked(length)?;
        let at = Duration::from_micros(u64::from_be_bytes(*at));
        let body = Body::decode(*code, payload)?;
        Some((Self { at, channel: u32::from_be_bytes(*channel), body }, rest))
    }
}

/// Sums over one block; nothing when one of its frames is malformed.
pub(crate) fn totals(mut block: &[u8]) -> Option<Totals> {
    let mut totals = Totals { blocks: 1, ..Totals::default() };
    while !block.is_empty() {
        let (frame, rest) = Frame::decode(block)?;
        totals.frames += 1;
        totals.output += frame.body.output().map_or(0, |(_, data)| data.len() as u64);
        block = rest;
    }
    Some(totals)
}
