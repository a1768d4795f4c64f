//! What a user or bot can reach.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::node::NodeSubKind;
use crate::{Labels, Login, NodeName};

/// The longest text to search for, in bytes.
pub const MAX_SEARCH_BYTES: usize = 256;

/// A node that whoever asks may log in to. Its address is nobody's business but the gateway's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reachable {
    /// Its UUID.
    pub id: Uuid,
    /// Its name.
    pub name: NodeName,
    /// What answers there.
    #[serde(default)]
    pub sub_kind: NodeSubKind,
    /// Its labels.
    pub labels: Labels,
    /// As which local accounts, in order; at least one.
    pub logins: Vec<Login>,
    /// The last look at it; nothing before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<ReachableSeen>,
}

/// The last look at a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReachableSeen {
    /// When.
    pub time: Timestamp,
    /// Its identification string, escaped.
    pub software: String,
}
