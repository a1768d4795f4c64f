//! Rules: what a role permits in the administration API.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::CompiledRole;

/// What the administration API is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Machines.
    Node,
    /// Roles.
    Role,
    /// People.
    User,
    /// Machine identities.
    Bot,
    /// Join and set-up tokens.
    Token,
    /// Locks.
    Lock,
    /// Live sessions.
    Session,
    /// Recordings.
    Recording,
    /// Audit events.
    Audit,
    /// Certificate authorities; `create` is signing.
    Ca,
    /// Certificates for hosts.
    HostCert,
    /// Revoked certificates and keys.
    Revocation,
    /// The gateway itself: its status and settings.
    Gateway,
    /// All of them.
    #[serde(rename = "*")]
    Any,
}

impl Resource {
    /// The word in a rule.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Role => "role",
            Self::User => "user",
            Self::Bot => "bot",
            Self::Token => "token",
            Self::Lock => "lock",
            Self::Session => "session",
            Self::Recording => "recording",
            Self::Audit => "audit",
            Self::Ca => "ca",
            Self::HostCert => "host_cert",
            Self::Revocation => "revocation",
            Self::Gateway => "gateway",
            Self::Any => "*",
        }
    }
}

/// What is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// See that it exists.
    List,
    /// See its content.
    Read,
    /// Make it.
    Create,
    /// Change it.
    Update,
    /// Remove it.
    Delete,
    /// Use it.
    Use,
    /// Replace its key.
    Rotate,
    /// All of them.
    #[serde(rename = "*")]
    Any,
}

impl Verb {
    /// The word in a rule.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Use => "use",
            Self::Rotate => "rotate",
            Self::Any => "*",
        }
    }
}

/// Resources × verbs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    resources: Vec<Resource>,
    verbs: Vec<Verb>,
}

impl Rule {
    fn covers(&self, resource: Resource, verb: Verb) -> bool {
        self.resources.iter().any(|have| *have == Resource::Any || *have == resource)
            && self.verbs.iter().any(|have| *have == Verb::Any || *have == verb)
    }
}

/// Whether roles permit `verb` on `resource`: one allows it and none denies it.
pub fn rules_allow(roles: &[Arc<CompiledRole>], resource: Resource, verb: Verb) -> bool {
    let covers = |rules: &[Rule]| rules.iter().any(|rule| rule.covers(resource, verb));
    !roles.iter().any(|role| covers(&role.deny_rules)) && roles.iter().any(|role| covers(&role.allow_rules))
}
