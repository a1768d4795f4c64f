//! Locks: who or what is shut out, until when and why (semantics section 6).

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Invalid, Login, RoleName, UserName, duration};

/// The longest message of a lock, in characters.
pub const MAX_MESSAGE_CHARS: usize = crate::ESCAPED_MAX_CHARS;

/// A lock that is in force until it expires or is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Its name.
    pub id: Uuid,
    /// What it shuts out.
    pub target: LockTarget,
    /// What is shown to whom it cuts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Who made it.
    pub created_by: String,
}

impl Lock {
    /// Whether it is still in force.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// What a lock shuts out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockTarget {
    /// A person or bot by name.
    User(UserName),
    /// Everybody with this role.
    Role(RoleName),
    /// A local account on every node.
    Login(Login),
    /// A node by its UUID.
    Node(Uuid),
    /// A bot with all its instances.
    Bot(UserName),
    /// One instance of a bot.
    Instance(Uuid),
    /// One session.
    Session(Uuid),
    /// A second factor.
    MfaDevice(Uuid),
    /// An address that clients come from.
    SourceIp(IpAddr),
}

/// Asks for a new lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockAdd {
    /// Its UUID; a random one where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Replace a lock of this UUID; otherwise one that exists is a conflict.
    #[serde(default)]
    pub replace: bool,
    /// What to shut out.
    pub target: LockTarget,
    /// Until when; an alternative to `ttl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// How long; for ever when it is not said.
    #[serde(default, with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// What to show to whom it cuts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl LockAdd {
    /// A new lock on something, for ever.
    pub fn on(target: LockTarget) -> Self {
        Self { id: None, replace: false, target, expires: None, ttl: None, message: None }
    }

    /// Checks what the fields alone cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.replace && self.id.is_none() {
            return Err(Invalid::new("replace", "needs the id of the lock"));
        }
        if self.expires.is_some() && self.ttl.is_some() {
            return Err(Invalid::new("expires", "must not stand beside ttl"));
        }
        match &self.message {
            Some(message) if message.chars().count() > MAX_MESSAGE_CHARS => {
                Err(Invalid::new("message", format!("must be at most {MAX_MESSAGE_CHARS} characters")))
            }
            _ => Ok(()),
        }
    }
}
