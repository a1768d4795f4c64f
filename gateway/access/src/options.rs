//! `spec.options` of a role.

use std::fmt;
use std::time::Duration;

use mezite_api::{RoleName, duration};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Forwarding, Glob};

/// The options as they are written. What is absent has its default when the role is compiled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoleOptions {
    /// Longest certificate.
    #[serde(with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub max_session_ttl: Option<Duration>,
    /// How much a session depends on its recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_session: Option<RecordMode>,
    /// How much of a command's output without pty is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_exec_limit: Option<ExecLimit>,
    /// Agent forwarding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_agent: Option<bool>,
    /// X11 forwarding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permit_x11_forwarding: Option<bool>,
    /// Port forwarding.
    pub port_forwarding: PortForwarding,
    /// Cut after so long without channel data from the client.
    #[serde(with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub client_idle_timeout: Option<Duration>,
    /// Cut live connections when the certificate expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disconnect_expired_cert: Option<bool>,
    /// Connections of one user at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
    /// Sessions of one connection at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sessions: Option<u32>,
    /// A second factor for each connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_session_mfa: Option<MfaMode>,
    /// How long a code given from the same address with the same key holds.
    #[serde(with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub mfa_grace: Option<Duration>,
    /// Whether certificates carry the logins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct_access: Option<bool>,
    /// Whether certificates are bound to the address of the login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin_source_ip: Option<bool>,
    /// Terminals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permit_pty: Option<bool>,
    /// Commands, and subsystems other than sftp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permit_exec: Option<bool>,
    /// The subsystem sftp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permit_sftp: Option<bool>,
    /// Names of environment variables that may be set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permit_env: Option<Vec<Glob>>,
    /// Paths that sftp and scp may touch.
    pub file_copy: FileCopy,
    /// Who must be there while a session runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub require_session_join: Vec<JoinRequirement>,
}

/// `options.port_forwarding`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PortForwarding {
    /// From the client to the node's side.
    pub local: Forwarding,
    /// From the node's side to the client.
    pub remote: Forwarding,
}

/// `options.file_copy`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileCopy {
    /// Paths that may be read; all of them when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<Vec<Glob>>,
    /// Paths that may be written; all of them when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write: Option<Vec<Glob>>,
}

/// How much a session depends on its recording. The later, the stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordMode {
    /// Not recorded.
    Off,
    /// Recorded; goes on when recording fails.
    BestEffort,
    /// No byte passes that is not queued for the recording.
    Strict,
}

impl fmt::Display for RecordMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::BestEffort => "best_effort",
            Self::Strict => "strict",
        })
    }
}

/// A second factor. The later, the stricter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MfaMode {
    /// None.
    #[default]
    No,
    /// A time-based code, asked for in band.
    Totp,
}

impl fmt::Display for MfaMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "no",
            Self::Totp => "totp",
        })
    }
}

/// How many bytes of a channel are recorded: `0`, `unlimited`, or a size such as `8MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExecLimit {
    /// So many bytes.
    Bytes(u64),
    /// All of them.
    Unlimited,
}

impl ExecLimit {
    /// What holds when nothing is said: 8 MiB.
    pub const DEFAULT: Self = Self::Bytes(8 << 20);

    fn parse(text: &str) -> Option<Self> {
        if text == "unlimited" {
            return Some(Self::Unlimited);
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let shift = match unit {
            "" | "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(1 << shift).map(Self::Bytes)
    }
}

impl fmt::Display for ExecLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::Bytes(bytes) => {
                let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
                let whole = units.iter().find(|(_, shift)| bytes > 0 && bytes.trailing_zeros() >= *shift);
                match whole {
                    Some((unit, shift)) => write!(f, "{}{unit}", bytes >> shift),
                    None => write!(f, "{bytes}"),
                }
            }
        }
    }
}

impl Serialize for ExecLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ExecLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExecLimitVisitor)
    }
}

struct ExecLimitVisitor;

impl Visitor<'_> for ExecLimitVisitor {
    type Value = ExecLimit;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as 8MiB, 0 or unlimited")
    }

    fn visit_u64<E>(self, bytes: u64) -> Result<ExecLimit, E> {
        Ok(ExecLimit::Bytes(bytes))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ExecLimit, E> {
        ExecLimit::parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

/// One entry of `require_session_join`: who must be there, and what happens when they leave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinRequirement {
    /// Its name.
    pub name: String,
    /// Whose presence counts: a role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<RoleName>,
    /// The kinds of sessions that it holds for; all when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<JoinKind>,
    /// How many people.
    pub count: u32,
    /// In which modes they count; all when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modes: Vec<JoinMode>,
    /// What happens when one leaves.
    #[serde(default)]
    pub on_leave: OnLeave,
}

/// One entry of `allow.join_sessions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinPermit {
    /// Its name.
    pub name: String,
    /// Sessions of users with these roles.
    pub roles: Vec<RoleName>,
    /// The kinds of sessions; all when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<JoinKind>,
    /// In which modes.
    pub modes: Vec<JoinMode>,
}

/// Kinds of sessions that can be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinKind {
    /// SSH.
    Ssh,
}

/// How somebody takes part in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinMode {
    /// Sees it.
    Observer,
    /// Sees it and may end it.
    Moderator,
    /// Sees it and types too.
    Peer,
}

/// What happens when a needed person leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLeave {
    /// Input stops until somebody comes.
    Pause,
    /// The session ends.
    #[default]
    Terminate,
}
