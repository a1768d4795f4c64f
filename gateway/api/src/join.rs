//! How a node joins by itself, proves that it is open, and leaves: each request is signed by its host keys.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::node::MAX_HOST_KEYS;
use crate::{HostKey, Invalid, Labels, Login, Node, NodeAddress, NodeName, SecretText};

/// A host key, and an SSH signature (PEM) by it over what is asked for (`mezite_ca::Statement`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenHostKey {
    /// The public key.
    pub key: HostKey,
    /// The signature.
    pub proof: String,
}

/// Asks for an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeJoin {
    /// The join token, without its suffix; a node that is there already and changes nothing needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretText>,
    /// The name that it is to have.
    pub name: NodeName,
    /// Where its sshd listens.
    pub addr: NodeAddress,
    /// Labels beside those of the token, which win.
    #[serde(default)]
    pub labels: Labels,
    /// The keys of its sshd, each with its own proof.
    pub host_keys: Vec<ProvenHostKey>,
    /// Made by the node: the same request has the same outcome.
    pub request: Uuid,
    /// Whether host certificates are wanted.
    #[serde(default)]
    pub host_certificates: bool,
}

impl NodeJoin {
    /// Checks what the fields alone cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.host_keys.is_empty() || self.host_keys.len() > MAX_HOST_KEYS {
            return Err(Invalid::new("host_keys", format!("must be 1 to {MAX_HOST_KEYS}")));
        }
        let mut keys: Vec<&HostKey> = self.host_keys.iter().map(|proven| &proven.key).collect();
        keys.sort();
        if keys.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(Invalid::new("host_keys", "must not hold a key twice"));
        }
        Ok(())
    }
}

/// What a join has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JoinOutcome {
    /// There is a new entry.
    Created,
    /// The entry of this node was changed.
    Updated,
    /// The entry was as it is.
    Unchanged,
}

/// What a node needs to let the gateway in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeJoined {
    /// The node's UUID.
    pub node_id: Uuid,
    /// The cluster.
    pub cluster: String,
    /// What was done.
    pub outcome: JoinOutcome,
    /// Certificates for those of its host keys that it was seen to prove at its address.
    #[serde(default)]
    pub host_certificates: Vec<HostCertificate>,
    /// The keys of the OpenSSH CA, one a line: for `TrustedUserCAKeys`.
    pub openssh_ca: String,
    /// The keys of the Host CA, one a line.
    pub host_ca: String,
    /// The entry.
    pub node: Node,
}

/// A host certificate and the key that it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCertificate {
    /// The fingerprint of the key.
    pub fingerprint: String,
    /// One line, as `ssh-keygen` writes it to `…-cert.pub`.
    pub certificate: String,
}

/// Asks for a look at the node, from the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfirm {
    /// Made by the node.
    pub request: Uuid,
    /// One of the pinned keys, with its proof.
    pub host_key: ProvenHostKey,
    /// A login that exists there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
}

/// Asks for the end of the entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeLeave {
    /// Made by the node.
    pub request: Uuid,
    /// One of the pinned keys, with its proof.
    pub host_key: ProvenHostKey,
}
