//! The node document, and what is asked of the API about nodes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::certificate::CaType;
use crate::{Host, HostKey, Invalid, Labels, Login, NodeAddress, NodeName, Port};

/// The most host keys that are pinned for one node.
pub const MAX_HOST_KEYS: usize = 8;

/// A machine that runs its own sshd (semantics section 10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Always `node`.
    pub kind: NodeKind,
    /// What answers on the node.
    pub sub_kind: NodeSubKind,
    /// The version of this document's form.
    pub version: NodeVersion,
    /// Identity and labels.
    pub metadata: NodeMetadata,
    /// What an operator configured.
    pub spec: NodeSpec,
    /// What was seen of it.
    #[serde(default)]
    pub status: NodeStatus,
}

/// The one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// A node.
    Node,
}

/// What answers on a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeSubKind {
    /// A plain SSH server without an agent of ours.
    #[default]
    OpenSsh,
}

impl NodeSubKind {
    /// The word in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenSsh => "openssh",
        }
    }
}

/// The version of a node document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeVersion {
    /// The first form.
    V1,
}

/// Identity and labels of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeMetadata {
    /// Its UUID, random, never used again.
    pub name: Uuid,
    /// What roles match.
    #[serde(default)]
    pub labels: Labels,
    /// The store's revision of the last change; zero in a document that is not stored yet.
    #[serde(default)]
    pub revision: u64,
}

/// What an operator configured for a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Its name, unique in the cluster.
    pub hostname: NodeName,
    /// Where its sshd listens.
    pub addr: NodeAddress,
    /// The pinned keys; with none of them the node must show a certificate of the cluster's Host CA.
    #[serde(default)]
    pub host_keys: Vec<HostKey>,
    /// Whether such a certificate is believed beside the pinned keys.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub host_ca: bool,
}

impl NodeSpec {
    /// Whether the node may prove itself by a certificate of the Host CA for its name, UUID or address.
    pub fn believes_host_ca(&self) -> bool {
        self.host_ca || self.host_keys.is_empty()
    }
}

/// What was seen of a node, apart from what is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// When other host keys were last pinned, and by whom; nothing where the first ones still are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key_rotation: Option<HostKeyRotation>,
    /// The last look at it; nothing before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<NodeSeen>,
}

/// Other host keys were pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostKeyRotation {
    /// When.
    pub time: Timestamp,
    /// By whom: a user, `uid N` at the socket, or `node` where it has joined again with other keys.
    pub by: String,
}

/// One look at a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSeen {
    /// When.
    pub time: Timestamp,
    /// Its identification string, escaped.
    pub software: String,
    /// Fingerprints of the host keys it showed or announced, pinned or not.
    #[serde(default)]
    pub host_keys: Vec<String>,
    /// The CA whose certificate opened it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusts: Option<TrustedBy>,
    /// What the last check found, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<NodeCheck>,
    /// How it stands to each key of the CAs that is, or is to be, trusted: the last answer that it gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ca_keys: Vec<SeenCaKey>,
}

/// How a node stands to one key of a CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenCaKey {
    /// Of which CA.
    pub ca: CaType,
    /// Which key: `SHA256:…`
    pub key: String,
    /// Of the User and the OpenSSH CA: whether it lets in a certificate by this key. Of the Host CA: whether its own
    /// host certificate is by this key.
    pub trusted: SeenTrust,
    /// When it was asked.
    pub time: Timestamp,
}

/// What a check of a node has found. Nothing of it is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCheck {
    /// When.
    pub time: Timestamp,
    /// Whether it could be connected to and keys were exchanged with a pinned host key, or one that our Host CA certifies.
    pub ok: bool,
    /// Why not, escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// From the first packet to the end of the key exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// What was agreed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<SeenAlgorithms>,
    /// The host keys that it offers.
    #[serde(default)]
    pub host_keys: Vec<SeenHostKey>,
    /// The login that trust was asked for with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
    /// Whether it lets in certificates of the OpenSSH CA.
    pub trusts_openssh: SeenTrust,
    /// Whether it lets in certificates of the User CA: then users can go round the gateway.
    pub trusts_user: SeenTrust,
}

impl NodeSeen {
    /// Before anything was seen.
    pub fn nothing(time: Timestamp) -> Self {
        Self {
            time,
            software: String::new(),
            host_keys: Vec::new(),
            trusts: None,
            check: None,
            ca_keys: Vec::new(),
        }
    }

    /// A certificate by this key has opened it: where the key was asked about, that is an answer.
    pub fn takes(&mut self, key: &str) {
        let asked = self.ca_keys.iter_mut().find(|asked| asked.key == key);
        if let Some(asked) = asked.filter(|asked| asked.trusted != SeenTrust::Yes) {
            asked.trusted = SeenTrust::Yes;
            asked.time = self.time;
        }
    }

    /// Keeps what was answered about keys. An answer that says nothing leaves one that did; what is not asked about any
    /// more is forgotten.
    pub fn take_ca_keys(&mut self, answers: Vec<SeenCaKey>) {
        let before = std::mem::take(&mut self.ca_keys);
        let last = |new: SeenCaKey| {
            let same = |old: &&SeenCaKey| old.ca == new.ca && old.key == new.key;
            match before.iter().find(same) {
                Some(old) if new.trusted == SeenTrust::Unknown => old.clone(),
                _ => new,
            }
        };
        self.ca_keys = answers.into_iter().map(last).collect();
    }
}

impl NodeCheck {
    /// A check that has found nothing yet.
    pub fn at(time: Timestamp, login: Option<Login>) -> Self {
        Self {
            time,
            ok: false,
            error: None,
            latency_ms: None,
            algorithms: None,
            host_keys: Vec::new(),
            login,
            trusts_openssh: SeenTrust::Unknown,
            trusts_user: SeenTrust::Unknown,
        }
    }
}

/// Names of algorithms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenAlgorithms {
    /// Key exchange.
    pub kex: String,
    /// Host key signature.
    pub host_key: String,
    /// Cipher from the node.
    pub cipher: String,
}

/// A host key that a node offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenHostKey {
    /// The type, for example `ssh-ed25519`.
    #[serde(rename = "type")]
    pub key_type: String,
    /// `SHA256:…`
    pub fingerprint: String,
    /// Whether it is one of the pinned keys.
    pub pinned: bool,
}

/// Whether a node trusts a CA.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeenTrust {
    /// It would let in a certificate of it.
    Yes,
    /// It would not, though it lets in others for the same login.
    No,
    /// Nobody knows: no login was given, or none that it lets in with any certificate.
    #[default]
    Unknown,
}

impl SeenTrust {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// Asks for a look at a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeCheckRequest {
    /// A login that exists there; by default one that it was seen to let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
}

/// The CA kinds that a node's `TrustedUserCAKeys` may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustedBy {
    /// The OpenSSH CA, which only the gateway signs with.
    OpenSsh,
    /// The User CA: users can reach the node past the gateway.
    User,
}

impl Node {
    /// A node that was never seen.
    pub fn new(id: Uuid, labels: Labels, spec: NodeSpec) -> Self {
        Self {
            kind: NodeKind::Node,
            sub_kind: NodeSubKind::OpenSsh,
            version: NodeVersion::V1,
            metadata: NodeMetadata { name: id, labels, revision: 0 },
            spec,
            status: NodeStatus::default(),
        }
    }

    /// Without what was seen of it, which is kept apart, and without a revision, which is where it is kept.
    #[must_use]
    pub fn to_keep(&self) -> Self {
        let mut kept = self.clone();
        kept.metadata.revision = 0;
        kept.status.seen = None;
        kept
    }

    /// The UUID.
    pub fn id(&self) -> Uuid {
        self.metadata.name
    }
}

/// Asks for a new node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeAdd {
    /// Its UUID; a random one where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Its name.
    pub name: NodeName,
    /// Where it is.
    pub host: Host,
    /// Its sshd's port; 22 when it is not said.
    #[serde(default = "ssh_port")]
    pub port: Port,
    /// What roles match.
    #[serde(default)]
    pub labels: Labels,
    /// The keys to pin.
    #[serde(default)]
    pub host_keys: Vec<HostKey>,
    /// Believe a certificate of the Host CA too.
    #[serde(default)]
    pub host_ca: bool,
    /// Dial the node first and refuse when it shows another key.
    #[serde(default)]
    pub verify_host_key: bool,
}

fn ssh_port() -> Port {
    Port::SSH
}

impl NodeAdd {
    /// Checks what the fields alone cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        check_host_keys(&self.host_keys)?;
        if self.id.is_some_and(|id| id.is_nil()) {
            return Err(Invalid::new("id", "must not be the nil UUID"));
        }
        if self.verify_host_key && self.host_keys.is_empty() && !self.host_ca {
            return Err(Invalid::new("host_keys", "must be given to be verified"));
        }
        Ok(())
    }

    /// The address to dial.
    pub fn addr(&self) -> NodeAddress {
        NodeAddress { host: self.host.clone(), port: self.port }
    }
}

/// Asks for a change of a node. What is not given stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeUpdate {
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<NodeName>,
    /// All labels anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
    /// Another host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// Another port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
    /// Other pinned keys instead of all that are pinned now; perhaps none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_keys: Option<Vec<HostKey>>,
    /// Whether a certificate of the Host CA is believed beside pinned keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_ca: Option<bool>,
    /// Only when the node is still at this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

impl NodeUpdate {
    /// Checks what the fields alone cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        self.host_keys.as_deref().map_or(Ok(()), check_host_keys)
    }
}

/// Asks for other pinned keys of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateHostKey {
    /// The keys to pin instead of all that are pinned now.
    pub host_keys: Vec<HostKey>,
    /// Dial the node first and refuse when it shows another key.
    #[serde(default)]
    pub verify_host_key: bool,
}

impl RotateHostKey {
    /// Checks what the fields alone cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.host_keys.is_empty() {
            return Err(Invalid::new("host_keys", "must not be empty"));
        }
        check_host_keys(&self.host_keys)
    }
}

fn check_host_keys(keys: &[HostKey]) -> Result<(), Invalid> {
    if keys.len() > MAX_HOST_KEYS {
        return Err(Invalid::new("host_keys", format!("must be at most {MAX_HOST_KEYS}")));
    }
    let twice =
        keys.iter().enumerate().any(|(index, key)| keys.iter().skip(index + 1).any(|other| other == key));
    if twice { Err(Invalid::new("host_keys", "must not hold a key twice")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::{Node, NodeAdd};
    use crate::request;

    #[test]
    fn a_node_document_has_the_documented_form() {
        let add: NodeAdd =
            request::parse(br#"{"name":"DB-1","host":"::1","labels":{"env":"prod"}}"#).unwrap();
        let spec = super::NodeSpec {
            hostname: add.name.clone(),
            addr: add.addr(),
            host_keys: add.host_keys,
            host_ca: false,
        };
        let node = Node::new(uuid::Uuid::nil(), add.labels, spec);
        let json = serde_json::to_value(&node).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "kind": "node", "sub_kind": "openssh", "version": "v1",
                "metadata": { "name": uuid::Uuid::nil(), "labels": { "env": "prod" }, "revision": 0 },
                "spec": { "hostname": "DB-1", "addr": "[::1]:22", "host_keys": [] },
                "status": {},
            })
        );
        assert_eq!(serde_json::from_value::<Node>(json).unwrap(), node);
    }
}
