//! Audit events and how they are asked for (semantics section 8).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::UserName;

/// One event: `time`, `seq`, `type`, `actor`, `outcome` and the type's own fields.
pub type AuditEvent = serde_json::Map<String, serde_json::Value>;

/// The most events of one page.
pub const MAX_PAGE: u32 = 1_000;

/// Which events are wanted; what is not given does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Of exactly this type, such as `session.start`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// With this user as actor or subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserName>,
    /// About the node of this name, as events have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// At this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// After the event of this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_seq: Option<u64>,
    /// At most so many; [`MAX_PAGE`] is the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Events in the order of their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// The events; may be fewer than asked for, even none, while there is more.
    pub events: Vec<AuditEvent>,
    /// Where there is more: the number to go on after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<u64>,
}

/// What checking the chain of the audit log found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditReport {
    /// How many events were checked.
    pub checked: u64,
    /// The first event that is not as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<AuditFault>,
}

/// An event that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditFault {
    /// Its number.
    pub seq: u64,
    /// What is wrong with it.
    pub what: String,
}
