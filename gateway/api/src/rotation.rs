//! The rotation of the SSH CAs: where each stands, what is asked for, and what came of it (semantics section 7).

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::certificate::CaType;
use crate::duration;

/// Where a CA stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RotationPhase {
    /// One key, which signs and is trusted.
    Standby,
    /// A second key is published behind the one that signs, and signs nothing yet.
    Prepare,
    /// The new key signs; the old one is still trusted.
    Activate,
}

/// What can be done with a CA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RotationStep {
    /// Makes a new key and publishes it.
    Prepare,
    /// Lets the new key sign.
    Activate,
    /// Gives up the old key.
    Finish,
    /// Gives up the new key.
    Rollback,
}

impl RotationPhase {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standby => "standby",
            Self::Prepare => "prepare",
            Self::Activate => "activate",
        }
    }
}

impl RotationStep {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Prepare, Self::Activate, Self::Finish, Self::Rollback];

    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Activate => "activate",
            Self::Finish => "finish",
            Self::Rollback => "rollback",
        }
    }
}

impl fmt::Display for RotationPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for RotationStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A public key of a CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaKeyInfo {
    /// `SHA256:…`
    pub fingerprint: String,
    /// `ed25519` or `p256`.
    pub algorithm: String,
    /// When it was made.
    pub created: Timestamp,
}

/// A CA, and who follows its rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaStatus {
    /// Which.
    #[serde(rename = "type")]
    pub ca: CaType,
    /// Where it stands.
    pub phase: RotationPhase,
    /// Since when.
    pub since: Timestamp,
    /// Of what is stored about it; a step can be asked for at this revision only.
    pub revision: u64,
    /// The key that signs. It comes first in every export.
    pub active: CaKeyInfo,
    /// The key that is trusted too: in `prepare` the new one, in `activate` the old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub further: Option<CaKeyInfo>,
    /// What is possible now, the next step in order first.
    pub possible: Vec<RotationStep>,
    /// The step that comes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic: Option<AutomaticStep>,
    /// How nodes follow, while there are two keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodesFollowing>,
    /// In `activate`: certificates by the old key that are still valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_certificates: Option<CertificatesBy>,
}

/// A step that comes by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutomaticStep {
    /// Which.
    pub step: RotationStep,
    /// When it is due.
    pub due: Timestamp,
    /// It was due and could not be taken; it is tried again each minute.
    #[serde(default)]
    pub refused: bool,
}

/// How a node stands to the new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeStanding {
    /// It was seen not to take it: it would be cut off.
    Refuses,
    /// Nobody has looked since there is the new key.
    NotLookedAt,
    /// It was looked at and could not be reached.
    Unreachable,
    /// It was looked at, and does not say: no login is known there.
    Unknown,
    /// It was seen to take it.
    Follows,
}

impl NodeStanding {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuses => "does not trust the new key",
            Self::NotLookedAt => "not looked at since the new key was made",
            Self::Unreachable => "could not be reached",
            Self::Unknown => "not known: no login is known there",
            Self::Follows => "trusts the new key",
        }
    }
}

/// How nodes stand to the new key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodesFollowing {
    /// Seen to take it.
    pub follow: u64,
    /// Seen not to.
    pub refuse: u64,
    /// Not looked at.
    pub not_looked_at: u64,
    /// Looked at in vain.
    pub unreachable: u64,
    /// Looked at without a word.
    pub unknown: u64,
    /// Those that do not follow, the worst first, a hundred of them at most.
    pub named: Vec<NamedNode>,
}

/// A node by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NamedNode {
    /// How it stands.
    pub standing: NodeStanding,
    /// Its name.
    pub name: String,
}

/// Certificates that one key of a CA has signed and that are still valid, as the audit log knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificatesBy {
    /// Of people.
    pub users: u64,
    /// Of instances of bots, the newest of each.
    pub bots: u64,
    /// Of hosts, the newest of each node.
    pub hosts: u64,
    /// Whose, a hundred at most: `user NAME`, `bot NAME`, `host NAME`.
    pub named: Vec<String>,
    /// Whether the log was too long to be read whole: there may be more.
    #[serde(default)]
    pub more: bool,
}

/// Asks for a step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// Which; the next in order where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<RotationStep>,
    /// Only while the CA is at this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The steps after this one come by themselves, each so long after the one before.
    #[serde(default, with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub grace_period: Option<Duration>,
    /// Also where nodes would be cut off.
    #[serde(default)]
    pub force: bool,
    /// The old keys are in wrong hands: all of it at once.
    #[serde(default)]
    pub compromised: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotated {
    /// `prepare`, `activate`, `finish`, `rollback` or `compromised`.
    pub done: String,
    /// Where the CA stands now.
    pub status: CaStatus,
    /// Keys that are not trusted any more.
    pub given_up: Vec<CaKeyInfo>,
    /// What they had signed and was still valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_certificates: Option<CertificatesBy>,
    /// Nodes that are cut off until they have the new key, as far as is known, a hundred at most: where the step was
    /// forced, and all that believed a key that is in wrong hands.
    #[serde(default)]
    pub lost_nodes: Vec<String>,
    /// Nodes of which it is not known whether they are, a hundred at most.
    #[serde(default)]
    pub doubtful_nodes: Vec<NamedNode>,
    /// Connections that were cut.
    #[serde(default)]
    pub cut: u64,
    /// What is to be done now, one line each.
    pub to_do: Vec<String>,
}
