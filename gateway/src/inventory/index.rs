//! Finding nodes by what clients call them (semantics section 3).
//!
//! Keys of the index: `n/NAME` holds the UUID of the node of that name, `h/HOST<0>UUID` is there for each node whose
//! recorded address has that host name or IP address. Names and hosts are in lower case.

use mezite_api::{Host, Node, NodeAddress, NodeName, NodeRef};
use mezite_store::{Keyspace, ReadError, Snapshot, Versioned};
use uuid::Uuid;

use super::record;

/// How many nodes with one address are told apart.
const MAX_CANDIDATES: usize = 64;

/// The key of a node's record.
pub(super) fn node_key(id: Uuid) -> Vec<u8> {
    id.hyphenated().to_string().into_bytes()
}

/// The index key of a node's name.
pub(super) fn name_key(name: &NodeName) -> Vec<u8> {
    folded_name_key(&name.folded())
}

/// The index key of a name in lower case; of no name, what comes before all of them.
pub(super) fn name_key_of(folded: &str) -> Vec<u8> {
    folded_name_key(folded)
}

/// What comes behind the keys of all names.
pub(super) fn names_end() -> Vec<u8> {
    b"n0".to_vec()
}

/// The name in lower case of its index key.
pub(super) fn name_of_key(key: &[u8]) -> &str {
    key.strip_prefix(b"n/").and_then(|name| str::from_utf8(name).ok()).unwrap_or_default()
}

fn folded_name_key(folded: &str) -> Vec<u8> {
    format!("n/{folded}").into_bytes()
}

/// The index key of a node's recorded address.
pub(super) fn host_key(addr: &NodeAddress, id: Uuid) -> Vec<u8> {
    let mut key = host_prefix(&addr.host);
    key.extend(node_key(id));
    key
}

fn host_prefix(host: &Host) -> Vec<u8> {
    let text = match host {
        Host::Name(name) => name.folded(),
        Host::Ip(ip) => ip.to_canonical().to_string(),
    };
    format!("h/{text}\0").into_bytes()
}

/// The nodes that `node` may mean: one by UUID, name or `name.CLUSTER`; else all at the recorded host or address,
/// narrowed by the port where that leaves any.
pub(super) fn candidates(
    snapshot: &Snapshot<'_>,
    node: &NodeRef,
    cluster: &str,
) -> Result<Vec<Uuid>, ReadError> {
    if let Some(id) = node.uuid()
        && snapshot.get(Keyspace::Nodes, &node_key(id))?.is_some()
    {
        return Ok(vec![id]);
    }
    if let Host::Name(name) = &node.host {
        let folded = name.folded();
        let in_cluster =
            folded.strip_suffix(&cluster.to_ascii_lowercase()).and_then(|rest| rest.strip_suffix('.'));
        for name in [Some(folded.as_str()), in_cluster].into_iter().flatten() {
            if let Some(id) = snapshot.get(Keyspace::NodeIndex, &folded_name_key(name))? {
                return Ok(id_of(&id.value).into_iter().collect());
            }
        }
    }
    let ids = at_host(snapshot, &node.host)?;
    match node.port {
        Some(port) if ids.len() > 1 => {
            let on_port = ids.iter().copied().filter_map(|id| match read(snapshot, id) {
                Ok(Some(node)) => (node.spec.addr.port == port).then_some(Ok(id)),
                Ok(None) => None,
                Err(error) => Some(Err(error)),
            });
            let on_port = on_port.collect::<Result<Vec<_>, _>>()?;
            Ok(if on_port.is_empty() { ids } else { on_port })
        }
        _ => Ok(ids),
    }
}

/// The nodes whose recorded address has this host, so many as are told apart.
pub(super) fn at_host(snapshot: &Snapshot<'_>, host: &Host) -> Result<Vec<Uuid>, ReadError> {
    let prefix = host_prefix(host);
    let found = snapshot.prefix(Keyspace::NodeIndex, &prefix, MAX_CANDIDATES)?;
    Ok(found.iter().filter_map(|(key, _)| id_of(key.get(prefix.len()..)?)).collect())
}

fn id_of(text: &[u8]) -> Option<Uuid> {
    Uuid::try_parse_ascii(text).ok()
}

/// The node of this UUID as it is configured, with what was seen of it. A record that cannot be understood is none,
/// and logged: whoever asks for it is refused.
pub(super) fn read(snapshot: &Snapshot<'_>, id: Uuid) -> Result<Option<Node>, ReadError> {
    let key = node_key(id);
    let stored = snapshot.get(Keyspace::Nodes, &key)?;
    Ok(stored.and_then(|stored| assemble(snapshot, &key, &stored)))
}

/// The node of a stored record.
pub(super) fn assemble(snapshot: &Snapshot<'_>, key: &[u8], stored: &Versioned) -> Option<Node> {
    let Some(mut node) = record::decode::<Node>(&stored.value) else {
        log::error!(node:% = mezite_api::escape(key); "the record of a node cannot be read");
        return None;
    };
    node.metadata.revision = stored.revision;
    // What was seen is of no weight: damaged is as good as never.
    let seen = snapshot.get(Keyspace::NodeSeen, key).ok().flatten();
    node.status.seen = seen.and_then(|seen| record::decode(&seen.value));
    Some(node)
}
