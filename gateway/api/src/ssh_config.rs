//! What stock SSH clients need to know of a gateway.

use serde::{Deserialize, Serialize};

/// Lines for the files of stock clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshConfig {
    /// A block for `~/.ssh/config`.
    pub ssh_config: String,
    /// Lines for `~/.ssh/known_hosts`.
    pub known_hosts: String,
}
