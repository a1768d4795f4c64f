//! Recordings of sessions: the `.mezrec` format, its writer, reader, player and exports.
//!
//! A recording is a header, compressed blocks of frames that are chained by SHA-256, and a footer;
//! `docs/manual/recording-format.md` has it field by field. Nothing here knows a runtime or a clock: calls block,
//! and times are told by the caller as the [`Duration`](std::time::Duration) since the session began.
//!
//! Reading order: [`Header`] and [`Frame`] say what is recorded, [`Archive`] where, [`Writer`] and [`Reader`] how;
//! [`play`] and [`export`] show it, [`Sanitiser`] keeps what was recorded from reaching into the viewer's terminal.

mod archive;
mod block;
mod encoder;
mod error;
mod exec_tap;
pub mod export;
mod footer;
mod frame;
mod header;
mod list;
mod play;
mod reader;
mod recover;
mod sanitise;
mod session;
mod terminal;
mod utf8;
mod writer;

pub use archive::{Archive, RecordingPath};
pub use block::Codec;
pub use error::{PlayError, ReadError, WriteError};
pub use exec_tap::{ExecLimit, ExecTap};
pub use footer::{Closing, Footer, State, Totals};
pub use frame::{Body, ExecDigest, Frame, Stream};
pub use header::{Header, Kind, Pty, Size, command_text};
pub use list::RecordingInfo;
pub use play::{PlayOptions, Played, play};
pub use reader::Reader;
pub use recover::{Outcome, Recovery};
pub use sanitise::Sanitiser;
pub use session::{InvalidSessionId, SessionId};
pub use writer::{Closed, Writer};
