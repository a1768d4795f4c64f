//! `kind: node`, `sub_kind: openssh`.

use mezite_access::yaml::YamlError;
use mezite_api::client::{Client, ClientError};
use mezite_api::node::{NodeAdd, NodeSpec, NodeSubKind, NodeUpdate};
use mezite_api::{Labels, Node, NodeRef, ProblemCode, escape};
use mezite_console::CommandError;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::{Declared, Kind, Stored, Version, found, wrong};

/// A node, as a file says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeDocument {
    kind: Kind,
    #[serde(default, deserialize_with = "sub_kind")]
    sub_kind: NodeSubKind,
    #[serde(default = "Version::written")]
    version: Version,
    #[serde(default)]
    metadata: Metadata,
    spec: Spec,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<serde_json::Value>,
}

/// Where no UUID is said, the node is the one of its host name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Metadata {
    #[serde(deserialize_with = "uuid", skip_serializing_if = "Option::is_none")]
    name: Option<Uuid>,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
}

/// [`NodeSpec`], and nothing beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    hostname: mezite_api::NodeName,
    addr: mezite_api::NodeAddress,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    host_keys: Vec<mezite_api::HostKey>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    host_ca: bool,
    /// Of Teleport's documents, where it is for agents; an error that says so.
    #[serde(default, skip_serializing, deserialize_with = "no_public_addr")]
    public_addr: (),
}

/// There are no agents here: also a node without the word is one of its own sshd.
fn sub_kind<'de, D: Deserializer<'de>>(from: D) -> Result<NodeSubKind, D::Error> {
    let word = String::deserialize(from)?;
    if word == NodeSubKind::OpenSsh.as_str() {
        return Ok(NodeSubKind::OpenSsh);
    }
    let why = "sub_kind must be openssh: every node here is a machine with its own sshd, without an agent";
    Err(D::Error::custom(format!("{why}, not {}", escape(word))))
}

fn uuid<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Uuid>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
    let why = "metadata.name of a node must be a UUID, as uuidgen makes them, or be left out: then one is made. \
               What people call the node is spec.hostname";
    Uuid::try_parse(&text).map(Some).map_err(|_| D::Error::custom(why))
}

fn no_public_addr<'de, D: Deserializer<'de>>(_: D) -> Result<(), D::Error> {
    Err(D::Error::custom(
        "public_addr is for nodes with an agent: the gateway reaches one of sub_kind openssh at spec.addr, and clients \
         reach it by its name",
    ))
}

impl NodeDocument {
    /// The document of a node that the gateway has.
    pub(crate) fn of(node: &Node) -> Self {
        let NodeSpec { hostname, addr, host_keys, host_ca } = node.spec.clone();
        Self {
            kind: Kind::Node,
            sub_kind: node.sub_kind,
            version: Version::written(),
            metadata: Metadata {
                name: Some(node.id()),
                labels: node.metadata.labels.clone(),
                revision: Some(node.metadata.revision),
            },
            spec: Spec { hostname, addr, host_keys, host_ca, public_addr: () },
            status: serde_json::to_value(&node.status).ok(),
        }
    }

    /// Only what is configured.
    pub(crate) fn bare(mut self) -> Self {
        self.metadata.revision = None;
        self.status = None;
        self
    }

    pub(super) fn checked(self) -> Result<Self, YamlError> {
        self.add().check().map_err(|invalid| wrong(&invalid))?;
        Ok(self)
    }

    fn add(&self) -> NodeAdd {
        let Spec { hostname, addr, host_keys, host_ca, public_addr: () } = self.spec.clone();
        NodeAdd {
            id: self.metadata.name,
            name: hostname,
            host: addr.host,
            port: addr.port,
            labels: self.metadata.labels.clone(),
            host_keys,
            host_ca,
            verify_host_key: false,
        }
    }

    /// The node that it is about.
    fn find(&self, client: &Client) -> Result<Option<Node>, CommandError> {
        let name = match self.metadata.name {
            Some(id) => id.hyphenated().to_string(),
            None => self.spec.hostname.to_string(),
        };
        let answer = match client.node(&NodeRef::parse(&name)?) {
            // Addresses of several nodes, and no name.
            Err(ClientError::Refused(problem)) if problem.code == ProblemCode::Conflict => return Ok(None),
            answer => answer,
        };
        // What is found may have it as its address only.
        let right = |node: &Node| match self.metadata.name {
            Some(id) => node.id() == id,
            None => node.spec.hostname.folded() == self.spec.hostname.folded(),
        };
        Ok(found(answer)?.filter(right))
    }
}

impl Declared for NodeDocument {
    fn kind(&self) -> Kind {
        Kind::Node
    }

    fn name(&self) -> String {
        self.spec.hostname.to_string()
    }

    fn identity(&self) -> String {
        self.metadata.name.map_or_else(|| self.name(), |id| id.hyphenated().to_string())
    }

    fn keys(&self) -> Vec<String> {
        let id = self.metadata.name.map(|id| id.hyphenated().to_string());
        std::iter::once(self.spec.hostname.folded()).chain(id).collect()
    }

    fn revision(&self) -> Option<u64> {
        self.metadata.revision
    }

    fn stored(&self, client: &Client) -> Result<Stored, CommandError> {
        let Some(node) = self.find(client)? else { return Ok(Stored::Absent) };
        let (revision, stored) = (Some(node.metadata.revision), Self::of(&node));
        // Names are equal whatever their case, and yet it can be changed.
        let same = stored.spec == self.spec
            && stored.spec.hostname.as_str() == self.spec.hostname.as_str()
            && stored.metadata.labels == self.metadata.labels;
        Ok(if same { Stored::Same(revision) } else { Stored::Other(revision) })
    }

    fn create(&self, client: &Client) -> Result<(), CommandError> {
        client.add_node(&self.add())?;
        Ok(())
    }

    fn replace(&self, client: &Client, revision: Option<u64>) -> Result<(), CommandError> {
        let gone = || super::conflict("it was removed meanwhile");
        let node = self.find(client)?.ok_or_else(gone)?;
        let NodeAdd { name, host, port, labels, host_keys, host_ca, .. } = self.add();
        // Pinning takes a right of its own: asked for only where it is needed.
        let host_keys = (host_keys != node.spec.host_keys).then_some(host_keys);
        let host_ca = (host_ca != node.spec.host_ca).then_some(host_ca);
        let update = NodeUpdate {
            name: Some(name),
            labels: Some(labels),
            host: Some(host),
            port: Some(port),
            host_keys,
            host_ca,
            revision,
        };
        client.update_node(&NodeRef::parse(&node.id().hyphenated().to_string())?, &update)?;
        Ok(())
    }

    fn remove(&self, client: &Client) -> Result<(), CommandError> {
        let node = self.find(client)?;
        let missing = || CommandError::new(mezite_console::Kind::NotFound, "there is no such node");
        let id = node.ok_or_else(missing)?.id();
        Ok(client.remove_node(&NodeRef::parse(&id.hyphenated().to_string())?)?)
    }
}
