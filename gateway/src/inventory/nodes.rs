//! Changes of nodes, and lists of them.

use std::ops::Bound;

use jiff::Timestamp;
use mezite_actors::blocking;
use mezite_api::node::{HostKeyRotation, NodeAdd, NodeSeen, NodeSpec, NodeUpdate, RotateHostKey};
use mezite_api::{Labels, Node, NodeAddress, NodeRef};
use mezite_store::{AuditEntry, Batch, CommitError, Keyspace, Precondition, ReadError, Store};
use serde_json::Value;
use uuid::Uuid;

use super::index::{host_key, name_key, node_key};
use super::{By as _, Filter, Inventory, InventoryError, Operator, index, record};

/// How many nodes are read at once for a list.
pub(super) const PAGE: usize = 1024;

impl Inventory {
    /// The one node that is named.
    pub fn node(&self, node: &NodeRef) -> Result<Node, InventoryError> {
        let id = self.find_id(node)?;
        let found = self.store.read(|snapshot| index::read(snapshot, id))?;
        found.ok_or_else(|| InventoryError::Unreadable { what: "node", name: id.to_string() })
    }

    /// All nodes that this may mean: one by UUID or name, else those at the recorded host or address.
    pub fn nodes_meant(&self, node: &NodeRef) -> Result<Vec<Node>, InventoryError> {
        let found = self.store.read(|snapshot| {
            let ids = index::candidates(snapshot, node, &self.cluster)?;
            ids.into_iter().filter_map(|id| index::read(snapshot, id).transpose()).collect()
        });
        found.map_err(|error: ReadError| error.into())
    }

    /// At most `limit` of the nodes that are wanted, by name, behind the node of the name `after`; and the
    /// name to go on behind while there may be more. One whose record is damaged is left out, and logged.
    pub async fn nodes(
        &self,
        filter: Filter,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Node>, Option<String>), InventoryError> {
        let store = self.store.clone();
        let listed = blocking::run(move || {
            let (mut nodes, mut last) = (Vec::new(), after.unwrap_or_default());
            loop {
                let (names, page) = page_of_nodes(&store, &last)?;
                for (name, node) in page {
                    if nodes.len() == limit {
                        return Ok((nodes, Some(last)));
                    }
                    last = name;
                    nodes.extend(node.filter(|node| filter.wants_whole(node)));
                }
                if names < PAGE {
                    return Ok((nodes, None));
                }
            }
        });
        listed.await
    }

    /// Adds a node. Its name must be free, and its UUID where one is given.
    pub async fn add_node(&self, operator: &Operator, add: NodeAdd) -> Result<Node, InventoryError> {
        add.check()?;
        let addr = add.addr();
        let spec = NodeSpec { hostname: add.name, addr, host_keys: add.host_keys, host_ca: add.host_ca };
        let mut node = Node::new(add.id.unwrap_or_else(Uuid::new_v4), add.labels, spec);
        let (id, key) = (node.id(), node_key(node.id()));
        let batch = Batch::new()
            .require(Keyspace::Nodes, &key, Precondition::Absent)
            .require(Keyspace::NodeIndex, &name_key(&node.spec.hostname), Precondition::Absent)
            .put(Keyspace::Nodes, &key, record::encode(&node))
            .put(Keyspace::NodeIndex, &name_key(&node.spec.hostname), key.clone())
            .put(Keyspace::NodeIndex, &host_key(&node.spec.addr, id), b"-".as_slice())
            .audit(
                event("node.create", operator, &node)
                    .with("addr", node.spec.addr.to_string())
                    .with("labels", labels_value(&node.metadata.labels))
                    .with("host_keys", pins(&node.spec)),
            );
        node.metadata.revision = self.store.commit(batch).await.map_err(|error| taken(error, &node))?;
        Ok(node)
    }

    /// Changes name, labels, address or pinned keys of a node.
    pub async fn update_node(
        &self,
        operator: &Operator,
        node: &NodeRef,
        update: NodeUpdate,
    ) -> Result<Node, InventoryError> {
        update.check()?;
        let old = self.node(node)?;
        let mut new = old.clone();
        let NodeUpdate { name, labels, host, port, host_keys, host_ca, revision } = update;
        if revision.is_some_and(|revision| revision != old.metadata.revision) {
            return Err(InventoryError::Changed);
        }
        new.spec.hostname = name.unwrap_or(new.spec.hostname);
        new.spec.host_keys = host_keys.unwrap_or(new.spec.host_keys);
        new.spec.host_ca = host_ca.unwrap_or(new.spec.host_ca);
        new.metadata.labels = labels.unwrap_or(new.metadata.labels);
        let NodeAddress { host: old_host, port: old_port } = new.spec.addr;
        new.spec.addr = NodeAddress { host: host.unwrap_or(old_host), port: port.unwrap_or(old_port) };
        let event = event("node.update", operator, &new)
            .with("addr", new.spec.addr.to_string())
            .with("old_addr", old.spec.addr.to_string())
            .with("labels", labels_value(&new.metadata.labels))
            .with("old_labels", labels_value(&old.metadata.labels))
            .with("old_name", old.spec.hostname.as_str());
        let pinned = (pins(&new.spec) != pins(&old.spec)).then(|| rotated(operator, &old, &mut new));
        self.replace_node(&old, new, std::iter::once(event).chain(pinned)).await
    }

    /// Pins other host keys. Connections that run go on; the next one believes only the new keys.
    pub async fn rotate_host_key(
        &self,
        operator: &Operator,
        node: &NodeRef,
        rotate: RotateHostKey,
    ) -> Result<Node, InventoryError> {
        rotate.check()?;
        let old = self.node(node)?;
        let mut new = old.clone();
        new.spec.host_keys = rotate.host_keys;
        let event = rotated(operator, &old, &mut new);
        self.replace_node(&old, new, [event]).await
    }

    async fn replace_node(
        &self,
        old: &Node,
        mut new: Node,
        events: impl IntoIterator<Item = AuditEntry>,
    ) -> Result<Node, InventoryError> {
        let (id, key) = (new.id(), node_key(new.id()));
        let (old_name, new_name) = (name_key(&old.spec.hostname), name_key(&new.spec.hostname));
        let mut batch = Batch::new()
            .require(Keyspace::Nodes, &key, Precondition::Revision(old.metadata.revision))
            .put(Keyspace::Nodes, &key, record::encode(&new.to_keep()))
            .delete(Keyspace::NodeIndex, &host_key(&old.spec.addr, id))
            .put(Keyspace::NodeIndex, &host_key(&new.spec.addr, id), b"-".as_slice());
        if old_name != new_name {
            batch = batch
                .require(Keyspace::NodeIndex, &new_name, Precondition::Absent)
                .delete(Keyspace::NodeIndex, &old_name)
                .put(Keyspace::NodeIndex, &new_name, key);
        }
        let batch = events.into_iter().fold(batch, Batch::audit);
        new.metadata.revision = self.store.commit(batch).await.map_err(|error| taken(error, &new))?;
        Ok(new)
    }

    /// Removes a node, where one is wanted only at this revision. Connections that run go on.
    pub async fn remove_node(
        &self,
        operator: &Operator,
        node: &NodeRef,
        revision: Option<u64>,
    ) -> Result<(), InventoryError> {
        let old = self.node(node)?;
        if revision.is_some_and(|revision| revision != old.metadata.revision) {
            return Err(InventoryError::Changed);
        }
        let key = node_key(old.id());
        let batch = Batch::new()
            .require(Keyspace::Nodes, &key, Precondition::Revision(old.metadata.revision))
            .delete(Keyspace::Nodes, &key)
            .delete(Keyspace::NodeSeen, &key)
            .delete(Keyspace::NodeIndex, &name_key(&old.spec.hostname))
            .delete(Keyspace::NodeIndex, &host_key(&old.spec.addr, old.id()))
            .audit(event("node.delete", operator, &old));
        self.store.commit(batch).await?;
        Ok(())
    }

    /// Keeps what was seen of a node, if it is still there. What was seen is no change: there is no event.
    pub async fn note_seen(&self, node: Uuid, seen: &NodeSeen) -> Result<(), InventoryError> {
        let key = node_key(node);
        let batch = Batch::new().require(Keyspace::Nodes, &key, Precondition::Present).put(
            Keyspace::NodeSeen,
            &key,
            record::encode(seen),
        );
        self.store.commit(batch).await?;
        Ok(())
    }
}

/// Some nodes by name behind the name `last`: how many names there are, and each name with its node, where that can be
/// read.
#[expect(clippy::type_complexity, reason = "names with what they name, written out")]
pub(super) fn page_of_nodes(
    store: &Store,
    last: &str,
) -> Result<(usize, Vec<(String, Option<Node>)>), ReadError> {
    store.read(|snapshot| {
        let start = index::name_key_of(last);
        let end = index::names_end();
        let bounds = (Bound::Excluded(start.as_slice()), Bound::Excluded(end.as_slice()));
        let entries = snapshot.range(Keyspace::NodeIndex, bounds, PAGE)?;
        let nodes = entries.iter().map(|(key, id)| {
            let name = index::name_of_key(key).to_owned();
            let node = snapshot.scan(Keyspace::Nodes, id.value.as_slice()..=id.value.as_slice(), 1)?;
            let node = node.into_iter().find_map(|(key, stored)| match stored {
                Ok(stored) => index::assemble(snapshot, &key, &stored),
                Err(error) => {
                    log::error!(error:%; "a node is left out of a list");
                    None
                }
            });
            Ok((name, node))
        });
        Ok((entries.len(), nodes.collect::<Result<_, ReadError>>()?))
    })
}

/// What of a new node, or of one that is renamed, is another one's already.
fn taken(error: CommitError, node: &Node) -> InventoryError {
    match error {
        CommitError::Conflict { expected: Precondition::Absent, keyspace: Keyspace::NodeIndex, .. } => {
            InventoryError::NameTaken(node.spec.hostname.clone())
        }
        CommitError::Conflict { expected: Precondition::Absent, .. } => InventoryError::IdTaken(node.id()),
        other => other.into(),
    }
}

fn event(kind: &str, operator: &Operator, node: &Node) -> AuditEntry {
    AuditEntry::new(kind)
        .by(operator)
        .with("outcome", "ok")
        .with("node", node.spec.hostname.as_str())
        .with("node_id", node.id().to_string())
}

/// Notes in the node that its pins are others from now on, and gives the event.
fn rotated(operator: &Operator, old: &Node, new: &mut Node) -> AuditEntry {
    new.status.host_key_rotation = Some(HostKeyRotation { time: Timestamp::now(), by: operator.to_string() });
    event("node.hostkey.rotate", operator, new).with("old", pins(&old.spec)).with("new", pins(&new.spec))
}

/// What proves a node, for audit events: fingerprints, and a word for certificates of the Host CA.
pub(super) fn pins(spec: &NodeSpec) -> Vec<String> {
    let certified = spec.believes_host_ca().then(|| "host-ca".to_owned());
    spec.host_keys.iter().map(|key| key.fingerprint().to_string()).chain(certified).collect()
}

pub(super) fn labels_value(labels: &Labels) -> Value {
    labels.iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect()
}
