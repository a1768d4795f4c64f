//! Live sessions and recordings as lists show them.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Login, NodeName, UserName};

/// What runs in a session channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionKind {
    /// An interactive shell.
    Shell,
    /// One command, or a subsystem other than sftp.
    Exec,
    /// The subsystem sftp.
    Sftp,
}

/// A session that is open now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// The session's own id.
    pub session: Uuid,
    /// The connection it belongs to.
    pub conn: Uuid,
    /// Who.
    pub user: UserName,
    /// As which local account.
    pub login: Login,
    /// On which node.
    pub node: NodeName,
    /// From where.
    pub source: IpAddr,
    /// What runs; nothing before the start request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<SessionKind>,
    /// Since when.
    pub started: Timestamp,
}

/// A recording, as its file says; nothing in it was checked but by who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingInfo {
    /// The session that was recorded.
    pub session: Uuid,
    /// Who; empty, as all that the header tells, where that cannot be read.
    pub user: String,
    /// As which local account.
    pub login: String,
    /// On which node.
    pub node: String,
    /// What ran.
    pub kind: Option<SessionKind>,
    /// When the session started.
    pub started: Option<Timestamp>,
    /// When it ended; nothing while it runs.
    pub ended: Option<Timestamp>,
    /// Size of the recording, in bytes of the file.
    pub bytes: u64,
    /// Whether it is whole.
    pub state: RecordingState,
}

/// Whether a recording is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordingState {
    /// Closed with its footer.
    Complete,
    /// Cut off by the end of a gateway, closed at its next start, readable up to the last whole block.
    Recovered,
    /// Still being written, or a part of it could not be.
    Incomplete,
    /// Its header cannot be read.
    Corrupt,
}

impl RecordingState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Recovered => "recovered",
            Self::Incomplete => "incomplete",
            Self::Corrupt => "corrupt",
        }
    }
}

impl SessionKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Exec => "exec",
            Self::Sftp => "sftp",
        }
    }
}
