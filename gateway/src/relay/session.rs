//! A session channel as the relay sees it: what was asked for, what runs, and its recording.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use mezite_access::Permits;
use mezite_recording::{Kind, Pty, SessionId, Size};
use thiserror::Error;

/// What starts a session (RFC 4254 section 6.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// `shell`
    Shell,
    /// `exec` with its command, as sent.
    Exec(Vec<u8>),
    /// `subsystem` with its name, as sent.
    Subsystem(Vec<u8>),
}

impl Start {
    /// How the recording calls it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Exec(_) => Kind::Exec,
            Self::Subsystem(name) if name == b"sftp" => Kind::Sftp,
            Self::Shell | Self::Subsystem(_) => Kind::Shell,
        }
    }
}

/// How a session ended, as the node says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// `exit-status`
    Status(u32),
    /// `exit-signal`, escaped and cut.
    Signal(String),
}

/// Why the recording of a session cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TapError {
    /// The recording cannot be written.
    #[error("the recording cannot be written: {0}")]
    Failed(String),
    /// The recorder has not taken anything for too long.
    #[error("the recording does not keep up")]
    Stuck,
}

/// Where the output of a session goes besides the client. A strict one holds the node back until it has taken what came.
pub trait Tap: Send {
    /// Takes output. A strict tap is only offered more while [`Self::poll_room`] is ready.
    fn output(&mut self, stderr: bool, bytes: &[u8]);

    /// The terminal has another size.
    fn resize(&mut self, size: Size);

    /// Ready when more output may come. Best effort is always ready.
    ///
    /// # Errors
    /// A strict recording that failed: the session must end.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TapError>>;

    /// The session is over.
    fn finish(self: Box<Self>, exit: Option<&Exit>);
}

/// How far a session has come.
enum State {
    /// Nothing has been started.
    Idle,
    /// A start was forwarded, or is being decided.
    Started { kind: Kind, tap: Option<Box<dyn Tap>> },
}

/// One session.
pub struct Session {
    /// Made by the gateway.
    pub id: SessionId,
    /// Decided when the channel was opened.
    pub permits: Arc<Permits>,
    /// The terminal that was asked for.
    pub pty: Option<Pty>,
    /// How it ended.
    pub exit: Option<Exit>,
    /// When the channel was opened.
    pub opened: Instant,
    state: State,
}

impl Session {
    /// A session whose channel may be opened.
    pub fn new(id: SessionId, permits: Arc<Permits>) -> Self {
        Self { id, permits, pty: None, exit: None, opened: Instant::now(), state: State::Idle }
    }

    /// What runs, if anything was started.
    pub fn kind(&self) -> Option<Kind> {
        match self.state {
            State::Idle => None,
            State::Started { kind, .. } => Some(kind),
        }
    }

    /// Marks the session as started: a second start has no chance.
    pub fn set_started(&mut self, kind: Kind) {
        self.state = State::Started { kind, tap: None };
    }

    /// The start was refused: another one may be tried.
    pub fn set_not_started(&mut self) {
        self.finish();
        self.state = State::Idle;
    }

    /// Puts the recording in place.
    pub fn set_tap(&mut self, new: Option<Box<dyn Tap>>) {
        if let State::Started { tap, .. } = &mut self.state {
            *tap = new;
        }
    }

    /// The recording, where there is one.
    pub fn tap(&mut self) -> Option<&mut Box<dyn Tap>> {
        match &mut self.state {
            State::Started { tap, .. } => tap.as_mut(),
            State::Idle => None,
        }
    }

    /// Closes the recording.
    pub fn finish(&mut self) {
        if let State::Started { tap, .. } = &mut self.state
            && let Some(tap) = tap.take()
        {
            tap.finish(self.exit.as_ref());
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl Drop for Session {
    /// However a connection ends, its recordings are closed.
    fn drop(&mut self) {
        self.finish();
    }
}
