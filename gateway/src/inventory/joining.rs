//! Entries that nodes make, change and remove by themselves.

use mezite_api::{Node, NodeAddress, NodeName, NodeRef};
use mezite_store::{AuditEntry, Batch, Keyspace, Precondition, ReadError, Snapshot};
use uuid::Uuid;

use super::index::{host_key, name_key, node_key};
use super::nodes::{labels_value, pins};
use super::{FoundToken, Inventory, InventoryError, TokenUse, index, record};
use crate::audit::GATEWAY;

/// What stands at a name and address that a node wants to have.
#[derive(Debug)]
pub enum Place {
    /// Nothing.
    Free,
    /// The entry of this name.
    Held(Box<Node>),
    /// Something else answers to this name, or listens at this address; what.
    Taken(&'static str),
}

/// One entry that a node makes or changes.
pub struct Joining<'a> {
    /// The entry as it is now, where there is one.
    pub old: Option<&'a Node>,
    /// The entry as it is to be.
    pub new: Node,
    /// What it is done with.
    pub token: &'a FoundToken,
    /// How.
    pub used: TokenUse,
    /// What else is to be written down.
    pub events: Vec<AuditEntry>,
}

impl Inventory {
    /// What stands at a name and an address. Nobody who only has a token may come between a node and those who call it
    /// by its recorded host name, or by its name in the cluster.
    pub fn place(&self, name: &NodeName, addr: &NodeAddress) -> Result<Place, InventoryError> {
        let wanted = NodeRef::parse(name.as_str())?;
        Ok(self.store.read(|snapshot| place(snapshot, &self.cluster, &wanted, name, addr))?)
    }

    /// Makes or changes an entry and spends the token, in one commit.
    pub async fn join_node(&self, joining: Joining<'_>) -> Result<Node, InventoryError> {
        let Joining { old, mut new, token, used, events } = joining;
        let (id, key) = (new.id(), node_key(new.id()));
        let before = old.map_or(Precondition::Absent, |old| Precondition::Revision(old.metadata.revision));
        let source = used.source.to_string();
        let event = event("node.join", &new)
            .with("addr", new.spec.addr.to_string())
            .with("labels", labels_value(&new.metadata.labels))
            .with("host_keys", pins(&new.spec))
            .with("change", old.is_some())
            .with("token", token.record.id.to_string())
            .with("source", source);
        let mut batch = token.spend(used, Batch::new()).require(Keyspace::Nodes, &key, before);
        if let Some(old) = old {
            batch = batch.delete(Keyspace::NodeIndex, &host_key(&old.spec.addr, id));
        } else {
            let name = name_key(&new.spec.hostname);
            batch = batch.require(Keyspace::NodeIndex, &name, Precondition::Absent).put(
                Keyspace::NodeIndex,
                &name,
                key.clone(),
            );
        }
        batch = batch
            .put(Keyspace::Nodes, &key, record::encode(&new.to_keep()))
            .put(Keyspace::NodeIndex, &host_key(&new.spec.addr, id), b"-".as_slice())
            .audit(event);
        let batch = events.into_iter().fold(batch, Batch::audit);
        new.metadata.revision = self.store.commit(batch).await?;
        Ok(new)
    }

    /// Removes the entry of a node that has asked for it, with what `source` is.
    pub async fn leave_node(&self, old: &Node, source: &str) -> Result<(), InventoryError> {
        let key = node_key(old.id());
        let batch = Batch::new()
            .require(Keyspace::Nodes, &key, Precondition::Revision(old.metadata.revision))
            .delete(Keyspace::Nodes, &key)
            .delete(Keyspace::NodeSeen, &key)
            .delete(Keyspace::NodeIndex, &name_key(&old.spec.hostname))
            .delete(Keyspace::NodeIndex, &host_key(&old.spec.addr, old.id()))
            .audit(event("node.leave", old).with("source", source));
        self.store.commit(batch).await?;
        Ok(())
    }

    /// The node of a UUID.
    pub fn node_of_id(&self, id: Uuid) -> Result<Option<Node>, InventoryError> {
        Ok(self.store.read(|snapshot| index::read(snapshot, id))?)
    }
}

fn place(
    snapshot: &Snapshot<'_>,
    cluster: &str,
    wanted: &NodeRef,
    name: &NodeName,
    addr: &NodeAddress,
) -> Result<Place, ReadError> {
    let mut held = None;
    for id in index::candidates(snapshot, wanted, cluster)? {
        match index::read(snapshot, id)? {
            Some(node) if node.spec.hostname.folded() == name.folded() => held = Some(node),
            // Its record is damaged, or it answers to this name without having it.
            _ => return Ok(Place::Taken("name")),
        }
    }
    for id in index::at_host(snapshot, &addr.host)? {
        let other = held.as_ref().is_none_or(|held| held.id() != id);
        let node = index::read(snapshot, id)?;
        if other && node.is_none_or(|node| node.spec.addr.port == addr.port) {
            return Ok(Place::Taken("address"));
        }
    }
    Ok(held.map_or(Place::Free, |held| Place::Held(Box::new(held))))
}

fn event(kind: &str, node: &Node) -> AuditEntry {
    AuditEntry::new(kind)
        .with("actor", GATEWAY)
        .with("outcome", "ok")
        .with("node", node.spec.hostname.as_str())
        .with("node_id", node.id().to_string())
}
