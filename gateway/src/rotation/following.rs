//! How nodes follow a rotation, by what was seen of them.

use jiff::Timestamp;
use mezite_api::Node;
use mezite_api::node::{SeenTrust, TrustedBy};
use mezite_api::rotation::{NamedNode, NodeStanding, NodesFollowing, RotationStep};
use mezite_ca::CaKind;

use crate::authority::CaState;
use crate::connection::Services;
use crate::inventory::{Filter, InventoryError};

/// The most nodes that are named.
const NAMED_MAX: usize = 100;
/// The most nodes that a refusal names.
const REFUSAL_MAX: usize = 20;
/// Nodes that are read at once.
const PAGE: usize = 1000;

/// Looks through all nodes, while there are two keys.
pub async fn following(services: &Services, state: &CaState) -> Result<NodesFollowing, InventoryError> {
    let mut following = NodesFollowing::default();
    let (Some(new), Some(old)) = (state.new_key(), state.old_key()) else { return Ok(following) };
    let mut after = None;
    loop {
        let (nodes, more) = services.inventory.nodes(Filter::default(), after, PAGE).await?;
        for node in &nodes {
            if let Some(standing) = standing(node, state.ca, &new.fingerprint, &old.fingerprint, new.created)
            {
                count(&mut following, node, standing);
            }
        }
        match more {
            Some(name) => after = Some(name),
            None => return Ok(following),
        }
    }
}

/// How a node stands to the new key; nothing where it has nothing to do with this CA.
fn standing(node: &Node, ca: CaKind, new: &str, old: &str, made: Timestamp) -> Option<NodeStanding> {
    let seen = node.status.seen.as_ref();
    let about = |key: &str| {
        let keys = seen.map(|seen| seen.ca_keys.as_slice()).unwrap_or_default();
        keys.iter().find(|asked| asked.key == key).map(|asked| asked.trusted)
    };
    let (new, old) = (about(new), about(old));
    let check = seen.and_then(|seen| seen.check.as_ref());
    let concerned = match ca {
        // A node that was seen to open for the User CA only does not wait for this one.
        CaKind::OpenSsh => {
            old != Some(SeenTrust::No) || matches!(new, Some(SeenTrust::Yes | SeenTrust::Unknown))
        }
        CaKind::User => match (new, old) {
            (Some(SeenTrust::Yes), _) | (_, Some(SeenTrust::Yes)) => true,
            (None, None) => {
                let opened = seen.is_some_and(|seen| seen.trusts == Some(TrustedBy::User));
                opened || check.is_some_and(|check| check.trusts_user == SeenTrust::Yes)
            }
            _ => false,
        },
        // Its certificate is what the gateway believes it for; one that is pinned too may never have shown any.
        CaKind::Host => {
            let pinned = !node.spec.host_keys.is_empty();
            node.spec.believes_host_ca() && (!pinned || new.is_some() || old.is_some())
        }
        CaKind::Tls => false,
    };
    concerned.then(|| match new {
        Some(SeenTrust::Yes) => NodeStanding::Follows,
        Some(SeenTrust::No) => NodeStanding::Refuses,
        Some(SeenTrust::Unknown) => NodeStanding::Unknown,
        None if check.is_some_and(|check| !check.ok && check.time >= made) => NodeStanding::Unreachable,
        None => NodeStanding::NotLookedAt,
    })
}

fn count(following: &mut NodesFollowing, node: &Node, standing: NodeStanding) {
    let counted = match standing {
        NodeStanding::Follows => &mut following.follow,
        NodeStanding::Refuses => &mut following.refuse,
        NodeStanding::NotLookedAt => &mut following.not_looked_at,
        NodeStanding::Unreachable => &mut following.unreachable,
        NodeStanding::Unknown => &mut following.unknown,
    };
    *counted += 1;
    if standing == NodeStanding::Follows {
        return;
    }
    let named = NamedNode { standing, name: node.spec.hostname.to_string() };
    let place = following.named.partition_point(|other| *other <= named);
    following.named.insert(place, named);
    following.named.truncate(NAMED_MAX);
}

/// Whether a step asks how nodes stand.
pub fn asks(step: RotationStep, ca: CaKind) -> bool {
    // Nothing can be signed by a prepared key of the Host CA, so no node can show a certificate by it yet.
    step == RotationStep::Finish || (step == RotationStep::Activate && ca != CaKind::Host)
}

/// Whether the step must be forced.
pub fn blocks(step: RotationStep, ca: CaKind, following: &NodesFollowing) -> bool {
    asks(step, ca) && following.refuse + following.not_looked_at > 0
}

/// Why the step is refused, with the nodes that it would cut off.
pub fn refusal(step: RotationStep, ca: CaKind, following: &NodesFollowing) -> String {
    let lost = following.refuse + following.not_looked_at;
    let named: Vec<_> = lost_nodes(following)
        .take(REFUSAL_MAX)
        .map(|node| format!("{} ({})", node.name, node.standing.as_str()))
        .collect();
    let more = lost.saturating_sub(named.len() as u64);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let cure = match ca {
        CaKind::Host => "Give them new host certificates",
        _ => "Let them fetch the keys again",
    };
    format!(
        "{step} would cut off {lost} node{}: {}{more}. {cure}, then 'mezctl nodes check --all'; or use --force",
        if lost == 1 { "" } else { "s" },
        named.join(", ")
    )
}

/// Nodes that believed a key that is given up at once, a hundred at most.
pub async fn believers(services: &Services, before: &CaState) -> Result<Vec<String>, InventoryError> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let (nodes, more) = services.inventory.nodes(Filter::default(), after, PAGE).await?;
        let believes = |node: &&Node| {
            before.keys().any(|key| standing(node, before.ca, "", &key.fingerprint, key.created).is_some())
        };
        names.extend(nodes.iter().filter(believes).map(|node| node.spec.hostname.to_string()));
        match more {
            Some(name) if names.len() < NAMED_MAX => after = Some(name),
            _ => break,
        }
    }
    names.truncate(NAMED_MAX);
    Ok(names)
}

/// Those of which it is not known whether the step cuts them off, as far as they are named.
pub fn doubtful_nodes(following: &NodesFollowing) -> Vec<NamedNode> {
    let doubtful =
        |node: &&NamedNode| matches!(node.standing, NodeStanding::Unreachable | NodeStanding::Unknown);
    following.named.iter().filter(doubtful).cloned().collect()
}

/// Those that the step would cut off, as far as they are named.
pub fn lost_nodes(following: &NodesFollowing) -> impl Iterator<Item = &NamedNode> {
    let lost = |node: &&NamedNode| matches!(node.standing, NodeStanding::Refuses | NodeStanding::NotLookedAt);
    following.named.iter().filter(lost)
}

#[cfg(test)]
mod tests {
    use mezite_api::certificate::CaType;
    use mezite_api::node::{NodeCheck, NodeSeen, NodeSpec, SeenCaKey};
    use mezite_api::{HostKey, Labels, NodeAddress, NodeName};
    use uuid::Uuid;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQx8HzRcc7CXhqtoPrpCtjETpuS2pXGzKrzqE0KcKgU";

    fn node() -> Node {
        let spec = NodeSpec {
            hostname: NodeName::parse("db-1").unwrap(),
            addr: NodeAddress { host: "10.0.0.7".parse().unwrap(), port: mezite_api::Port::SSH },
            host_keys: vec![HostKey::parse(KEY).unwrap()],
            host_ca: false,
        };
        Node::new(Uuid::new_v4(), Labels::default(), spec)
    }

    fn seen(new: Option<SeenTrust>, old: Option<SeenTrust>) -> Node {
        let at = Timestamp::UNIX_EPOCH;
        let answer =
            |key: &str, trusted| SeenCaKey { ca: CaType::OpenSsh, key: key.into(), trusted, time: at };
        let mut seen = NodeSeen::nothing(at);
        seen.ca_keys.extend(new.map(|trusted| answer("new", trusted)));
        seen.ca_keys.extend(old.map(|trusted| answer("old", trusted)));
        let mut node = node();
        node.status.seen = Some(seen);
        node
    }

    fn of(node: &Node, ca: CaKind) -> Option<NodeStanding> {
        standing(node, ca, "new", "old", Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn hostile_095_what_was_seen_of_a_node_says_how_it_stands() {
        use NodeStanding::{Follows, NotLookedAt, Refuses, Unknown, Unreachable};
        use SeenTrust::{No, Yes};
        let answers = [None, Some(Yes), Some(No), Some(SeenTrust::Unknown)];
        for new in answers {
            for old in answers {
                let node = seen(new, old);
                let openssh = match (new, old) {
                    (None | Some(No), Some(No)) => None,
                    (Some(Yes), _) => Some(Follows),
                    (Some(No), _) => Some(Refuses),
                    (Some(SeenTrust::Unknown), _) => Some(Unknown),
                    (None, _) => Some(NotLookedAt),
                };
                assert_eq!(of(&node, CaKind::OpenSsh), openssh, "openssh: {new:?} {old:?}");
                let trusts_user = new == Some(Yes) || old == Some(Yes);
                assert_eq!(of(&node, CaKind::User), openssh.filter(|_| trusts_user), "user: {new:?} {old:?}");
                assert_eq!(of(&node, CaKind::Host), None, "its host key is pinned");
            }
        }
        assert_eq!(of(&node(), CaKind::OpenSsh), Some(NotLookedAt));
        assert_eq!(of(&node(), CaKind::User), None, "nobody has seen it trust the User CA");
        let mut away = seen(None, None);
        let check = NodeCheck::at(Timestamp::UNIX_EPOCH, None);
        away.status.seen.as_mut().unwrap().check = Some(check);
        assert_eq!(of(&away, CaKind::OpenSsh), Some(Unreachable));
        let mut old_release = away.clone();
        let check = old_release.status.seen.as_mut().unwrap().check.as_mut().unwrap();
        (check.ok, check.trusts_user) = (true, Yes);
        assert_eq!(of(&old_release, CaKind::User), Some(NotLookedAt));
        old_release.spec.host_ca = true;
        assert_eq!(of(&old_release, CaKind::Host), None, "it is pinned, and has shown no certificate");
        let mut both = seen(None, Some(Yes));
        both.spec.host_ca = true;
        assert_eq!(of(&both, CaKind::Host), Some(NotLookedAt), "it has shown one by the old key");
        old_release.spec.host_keys.clear();
        assert_eq!(of(&old_release, CaKind::Host), Some(NotLookedAt));
    }

    #[test]
    fn a_refusal_names_the_worst_first_and_says_how_many_there_are() {
        let mut following = NodesFollowing::default();
        for number in 0..150 {
            let mut node = node();
            node.spec.hostname = NodeName::parse(&format!("db-{number}")).unwrap();
            let standing = if number < 120 { NodeStanding::NotLookedAt } else { NodeStanding::Refuses };
            count(&mut following, &node, standing);
        }
        count(&mut following, &node(), NodeStanding::Unknown);
        assert_eq!(following.named.len(), NAMED_MAX);
        assert!(blocks(RotationStep::Activate, CaKind::OpenSsh, &following));
        assert!(!blocks(RotationStep::Activate, CaKind::Host, &following));
        assert!(blocks(RotationStep::Finish, CaKind::Host, &following));
        for step in [RotationStep::Prepare, RotationStep::Rollback] {
            assert!(!blocks(step, CaKind::OpenSsh, &following));
        }
        let text = refusal(RotationStep::Activate, CaKind::OpenSsh, &following);
        let start = "activate would cut off 150 nodes: db-120 (does not trust the new key), db-121";
        assert!(text.starts_with(start) && text.contains(" and 130 more. "), "{text}");
        let unknown = NodesFollowing { unknown: 3, unreachable: 2, ..NodesFollowing::default() };
        assert!(!blocks(RotationStep::Activate, CaKind::OpenSsh, &unknown), "they are only named");
    }
}
