//! The keyspaces: one ordered table of bytes each.

use std::fmt;

/// A table of keys in byte order. The audit log is none of them: events enter it through [`crate::Batch::audit`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Keyspace {
    /// About the cluster itself: its name, sealing parameters.
    Meta,
    /// Sealed private keys of the CAs.
    Keys,
    /// Nodes as configured.
    Nodes,
    /// From name, address and label to node.
    NodeIndex,
    /// What was seen of nodes, apart from what is configured.
    NodeSeen,
    /// Role documents.
    Roles,
    /// People and bots.
    Users,
    /// Locks.
    Locks,
    /// Sessions and their recordings.
    Sessions,
    /// Join tokens, by digest.
    Tokens,
    /// What bots have beyond being users.
    Bots,
    /// Instances of bots, one for each join.
    Instances,
    /// How people prove who they are.
    People,
    /// Id tokens that were used, until they end.
    IdTokens,
    /// Revoked certificates and keys.
    Revocations,
}

impl Keyspace {
    /// Every keyspace, in the order of their declaration.
    pub const ALL: [Self; 15] = [
        Self::Meta,
        Self::Keys,
        Self::Nodes,
        Self::NodeIndex,
        Self::NodeSeen,
        Self::Roles,
        Self::Users,
        Self::Locks,
        Self::Sessions,
        Self::Tokens,
        Self::Bots,
        Self::Instances,
        Self::People,
        Self::IdTokens,
        Self::Revocations,
    ];

    /// The name of its table on disk; never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Keys => "keys",
            Self::Nodes => "nodes",
            Self::NodeIndex => "node_index",
            Self::NodeSeen => "node_seen",
            Self::Roles => "roles",
            Self::Users => "users",
            Self::Locks => "locks",
            Self::Sessions => "sessions",
            Self::Tokens => "tokens",
            Self::Bots => "bots",
            Self::Instances => "instances",
            Self::People => "people",
            Self::IdTokens => "id_tokens",
            Self::Revocations => "revocations",
        }
    }
}

impl fmt::Display for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
