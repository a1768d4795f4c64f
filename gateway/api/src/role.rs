//! Roles as the API carries them; what they mean is `mezite-access`.

use serde::{Deserialize, Serialize};

use crate::RoleName;

/// The longest role document, in bytes of YAML.
pub const MAX_YAML_BYTES: usize = 256 * 1024;

/// Asks for a role to be made or replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolePut {
    /// The document as the operator wrote it.
    pub yaml: String,
    /// Replace a role of this name; otherwise one that exists is a conflict.
    #[serde(default)]
    pub replace: bool,
    /// Only when the role is still at this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// A role as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleDocument {
    /// Its name.
    pub name: RoleName,
    /// Whether it came with the gateway; such a role cannot be changed.
    #[serde(default)]
    pub built_in: bool,
    /// `kind`, `version`, `metadata` and `spec`.
    pub document: serde_json::Value,
    /// The store's revision of the last change; zero for built-in roles.
    #[serde(default)]
    pub revision: u64,
}
