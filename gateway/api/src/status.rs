//! The gateway's state as `mezctl status` shows it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a gateway says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The cluster's name.
    pub cluster: String,
    /// The program's version.
    pub version: String,
    /// Whether everything listens and works.
    pub ready: bool,
    /// Since when it runs.
    pub started: Timestamp,
    /// Where it listens for SSH.
    pub ssh: String,
    /// Where it listens for HTTPS.
    pub https: Vec<String>,
    /// The pin of the TLS CA, for clients that know nothing else of the gateway.
    #[serde(default)]
    pub ca_pin: String,
    /// Open connections.
    pub connections: u64,
    /// Open sessions.
    pub sessions: u64,
    /// What needs attention, one line each.
    #[serde(default)]
    pub warnings: Vec<String>,
}
