//! The role document: YAML in, errors with key and line out.

use mezite_api::role::MAX_YAML_BYTES;
use mezite_api::{RoleName, escape};
use serde::{Deserialize, Serialize};
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy};

use crate::label::LabelSelector;
use crate::login::{DeniedLogin, LoginPattern};
use crate::options::{JoinPermit, RoleOptions};
use crate::rule::Rule;

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
    #[error("line {line}: {reason}")]
    Malformed {
        /// The line in the document, from 1.
        line: u64,
        /// What is wrong there, escaped; names the key.
        reason: String,
    },
}

impl Role {
    /// Reads a role from YAML.
    pub fn parse_yaml(text: &str) -> Result<Self, RoleError> {
        if text.len() > MAX_YAML_BYTES {
            return Err(RoleError::TooLarge);
        }
        let options = serde_saphyr::options! {
            // No anchors: no aliases. The rest of its limits fits a document of this size.
            budget: serde_saphyr::budget! { max_anchors: 0 },
            duplicate_keys: DuplicateKeyPolicy::Error,
            merge_keys: MergeKeyPolicy::Error,
            strict_booleans: true,
            reject_unsupported_tags: true,
            reject_tagged_field_names: true,
            with_snippet: false,
        };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| RoleError::from_yaml(&error))
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

impl RoleError {
    fn from_yaml(error: &serde_saphyr::Error) -> Self {
        let line = error.location().map_or(1, |location| location.line());
        let text = error.to_string();
        let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
        Self::Malformed { line, reason: escape(reason) }
    }
}
