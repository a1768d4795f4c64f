//! The answer to `mezctl access explain USER LOGIN@NODE`.

use serde::{Deserialize, Serialize};

use crate::{Login, RoleName, UserName};

/// What would be decided now, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Who.
    pub user: UserName,
    /// As which local account.
    pub login: Login,
    /// On which node, as it was asked.
    pub node: String,
    /// Whether access is allowed.
    pub allowed: bool,
    /// The stable word for the outcome: `allowed`, `login`, `labels`, `deny`, `locked` ….
    pub reason: String,
    /// The outcome in one line.
    pub summary: String,
    /// What each outcome came from.
    #[serde(default)]
    pub trace: Vec<TraceStep>,
}

/// One outcome with its cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceStep {
    /// What came out: `allow`, `deny`, or an option with its value.
    pub outcome: String,
    /// The role that caused it; nothing for a default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// The field of that role, such as `spec.deny.logins`.
    pub field: String,
}
