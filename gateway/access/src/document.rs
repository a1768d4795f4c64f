//! The role document: YAML in, errors with key and line out.

use mezite_api::RoleName;
use mezite_api::role::MAX_YAML_BYTES;
use serde::{Deserialize, Serialize};

use crate::label::LabelSelector;
use crate::login::{DeniedLogin, LoginPattern};
use crate::options::{JoinPermit, RoleOptions};
use crate::rule::Rule;
use crate::yaml::{self, YamlError};

/// A role as it is written and stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    kind: RoleKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<RoleVersion>,
    metadata: RoleMetadata,
    #[serde(default)]
    pub(crate) spec: RoleSpec,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RoleKind {
    Role,
}

/// Teleport's versions; they mean the same here.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RoleVersion {
    V1,
    V2,
    V3,
    V4,
    V5,
    V6,
    V7,
    V8,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleMetadata {
    name: RoleName,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(default, skip_serializing)]
    revision: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RoleSpec {
    pub(crate) allow: Allow,
    pub(crate) deny: Deny,
    pub(crate) options: RoleOptions,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Allow {
    #[serde(skip_serializing_if = "LabelSelector::is_none")]
    pub(crate) node_labels: LabelSelector,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) logins: Vec<LoginPattern>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) rules: Vec<Rule>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) join_sessions: Vec<JoinPermit>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Deny {
    #[serde(skip_serializing_if = "LabelSelector::is_none")]
    pub(crate) node_labels: LabelSelector,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) logins: Vec<DeniedLogin>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) rules: Vec<Rule>,
}

/// Why a role document was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// Larger than [`MAX_YAML_BYTES`].
    #[error("a role is at most {MAX_YAML_BYTES} bytes of YAML")]
    TooLarge,
    /// Not YAML, not a role, an unknown key, a value outside its grammar, or YAML features that are refused:
    /// aliases, merge keys, duplicate keys, foreign tags, several documents.
    #[error(transparent)]
    Malformed(#[from] YamlError),
}

impl Role {
    /// Reads a role from YAML.
    pub fn parse_yaml(text: &str) -> Result<Self, RoleError> {
        if text.len() > MAX_YAML_BYTES {
            return Err(RoleError::TooLarge);
        }
        Ok(yaml::parse(text)?)
    }

    /// The revision that the document was written for, which is no part of the role.
    pub fn take_revision(&mut self) -> Option<u64> {
        self.metadata.revision.take()
    }

    /// Its name.
    pub fn name(&self) -> &RoleName {
        &self.metadata.name
    }

    /// What it is for, in its author's words.
    pub fn description(&self) -> &str {
        &self.metadata.description
    }
}
