//! The entry of a node that has a token and proves its host keys.

use std::net::IpAddr;

use jiff::Timestamp;
use mezite_actors::time;
use mezite_api::join::{HostCertificate, JoinOutcome, NodeJoin, NodeJoined};
use mezite_api::node::{HostKeyRotation, NodeSpec};
use mezite_api::{HostKey, Invalid, Labels, Node, NodeAddress, NodeName, Problem, ProblemCode, escape};
use mezite_ca::{CaKind, ExportForm, PublicKey, Statement, Token};
use mezite_store::{AuditEntry, Batch};
use uuid::Uuid;

use super::check::CHECK_TIME;
use super::{TRIES, is_pinned, proven_key};
use crate::audit::GATEWAY;
use crate::authority::{HostOrder, NODE_LIFETIME};
use crate::bots;
use crate::connection::Services;
use crate::inventory::{FoundToken, InventoryError, Joining, Place, TokenPurpose, TokenUse};

/// One request, its proofs verified.
struct Asked {
    token: Option<Token>,
    name: NodeName,
    addr: NodeAddress,
    labels: Labels,
    keys: Vec<(HostKey, PublicKey)>,
    request: Uuid,
    certificates: bool,
    source: IpAddr,
}

/// Why there was no answer.
enum Failure {
    /// The token is refused, with the reason for the audit.
    Token(&'static str, Option<Uuid>),
    /// Somebody else has changed what it is about: look again.
    Raced,
    /// Anything else.
    Problem(Problem),
}

impl<P: Into<Problem>> From<P> for Failure {
    fn from(problem: P) -> Self {
        Self::Problem(problem.into())
    }
}

/// Makes the entry of a node, or changes it, or finds it to be as it is wanted.
pub async fn join(services: &Services, wanted: NodeJoin, source: IpAddr) -> Result<NodeJoined, Problem> {
    wanted.check()?;
    let asked = match proven(wanted, source)? {
        Ok(asked) => asked,
        Err(reason) => return Err(bots::token_refused(services, source, reason, None).await),
    };
    for _ in 0..TRIES {
        match attempt(services, &asked).await {
            Ok(joined) => return Ok(joined),
            Err(Failure::Raced) => {}
            Err(Failure::Token(reason, id)) => {
                return Err(bots::token_refused(services, source, reason, id).await);
            }
            Err(Failure::Problem(problem)) => return Err(problem),
        }
    }
    Err(Problem::new(ProblemCode::Unavailable, "the node is being changed all the time; try again"))
}

/// When other host keys than the first were pinned: now, where these are others.
fn rotation(old: Option<&Node>, new: &Node) -> Option<HostKeyRotation> {
    let old = old?;
    if old.spec.host_keys == new.spec.host_keys {
        return old.status.host_key_rotation.clone();
    }
    Some(HostKeyRotation { time: Timestamp::now(), by: "node".to_owned() })
}

/// Verifies the proofs before anything is looked up. Inside: the reason for which the token is refused.
fn proven(wanted: NodeJoin, source: IpAddr) -> Result<Result<Asked, &'static str>, Invalid> {
    let token = match wanted.token.as_ref().map(|token| Token::parse(token.expose())) {
        None => None,
        Some(Ok(token)) => Some(token),
        Some(Err(_)) => return Ok(Err("malformed")),
    };
    let digest = token.as_ref().map(Token::digest);
    let (request, addr) = (wanted.request.to_string(), wanted.addr.to_string());
    let statement = Statement::NodeJoin {
        request: &request,
        token: digest.as_ref(),
        name: wanted.name.as_str(),
        addr: &addr,
    };
    let keys = wanted.host_keys.into_iter().map(|proven| {
        let key = proven_key(&proven, &statement)?;
        Ok((proven.key, key))
    });
    Ok(Ok(Asked {
        keys: keys.collect::<Result<_, Invalid>>()?,
        token,
        name: wanted.name,
        addr: wanted.addr,
        labels: wanted.labels,
        request: wanted.request,
        certificates: wanted.host_certificates,
        source,
    }))
}

async fn attempt(services: &Services, asked: &Asked) -> Result<NodeJoined, Failure> {
    let found = match &asked.token {
        Some(token) => services.inventory.find_token(token)?,
        None => None,
    };
    let place = services.inventory.place(&asked.name, &asked.addr)?;
    if let Place::Held(node) = &place
        && asked.leaves_as_it_is(node, found.as_ref())
    {
        return unchanged(services, asked, node, found.as_ref()).await;
    }
    // Who has no token that can be used learns nothing about names.
    let found = usable(found)?;
    let old = asked.may_change(services, place)?;
    let labels = asked.labels_with(Some(&found))?;
    let id = old.as_ref().map_or_else(Uuid::new_v4, Node::id);
    let host_keys = asked.keys.iter().map(|(key, _)| key.clone()).collect();
    let hostname = old.as_ref().map_or_else(|| asked.name.clone(), |old| old.spec.hostname.clone());
    let host_ca = old.as_ref().is_some_and(|old| old.spec.host_ca);
    let spec = NodeSpec { hostname, addr: asked.addr.clone(), host_keys, host_ca };
    let mut new = Node::new(id, labels, spec);
    new.status.host_key_rotation = rotation(old.as_ref(), &new);
    let (certificates, events) = certified(services, asked, &new).await?;
    let used = TokenUse {
        at: Timestamp::now(),
        source: asked.source,
        request: asked.request,
        key: asked.keys.first().map(|(_, key)| key.fingerprint()).unwrap_or_default(),
        made: id,
    };
    let joining = Joining { old: old.as_ref(), new, token: &found, used, events };
    let node = match services.inventory.join_node(joining).await {
        Err(InventoryError::Changed) => return Err(Failure::Raced),
        other => other?,
    };
    let outcome = if old.is_some() { JoinOutcome::Updated } else { JoinOutcome::Created };
    Ok(answer(services, node, outcome, certificates).await?)
}

/// The node is there as it is wanted: the token is not touched. The same request has the same outcome, when its answer was
/// lost.
async fn unchanged(
    services: &Services,
    asked: &Asked,
    node: &Node,
    found: Option<&FoundToken>,
) -> Result<NodeJoined, Failure> {
    let (certificates, events) = certified(services, asked, node).await?;
    if !events.is_empty() {
        let batch = events.into_iter().fold(Batch::new(), Batch::audit);
        services.shared.store.commit(batch).await.map_err(InventoryError::from)?;
    }
    let spent = found.and_then(|found| found.record.spent.as_ref());
    let repeated = spent.is_some_and(|spent| spent.made == node.id() && spent.request == asked.request);
    let outcome = if repeated { JoinOutcome::Created } else { JoinOutcome::Unchanged };
    Ok(answer(services, node.clone(), outcome, certificates).await?)
}

/// The token, where it can be used.
fn usable(found: Option<FoundToken>) -> Result<FoundToken, Failure> {
    let found = found.ok_or(Failure::Token("unknown", None))?;
    let id = Some(found.record.id);
    if !matches!(found.record.purpose, TokenPurpose::Node { .. }) {
        return Err(Failure::Token("kind", id));
    }
    if found.record.spent.is_some() {
        return Err(Failure::Token("spent", id));
    }
    if Timestamp::now() >= found.record.expires {
        return Err(Failure::Token("expired", id));
    }
    Ok(found)
}

impl Asked {
    /// The labels of the token over those that the node gives itself.
    fn labels_with(&self, found: Option<&FoundToken>) -> Result<Labels, Invalid> {
        let set = match found.map(|found| &found.record.purpose) {
            Some(TokenPurpose::Node { labels }) => labels.clone(),
            _ => Labels::new(),
        };
        let mut all = set;
        for (key, value) in self.labels.iter() {
            if all.get(key).is_none() {
                all.add(key.to_owned(), value.to_owned())?;
            }
        }
        Ok(all)
    }

    /// Whether the node is as it is wanted, and has proved all its keys: what was configured since stays.
    fn leaves_as_it_is(&self, node: &Node, found: Option<&FoundToken>) -> bool {
        let pinned = &node.spec.host_keys;
        let same_keys =
            pinned.len() == self.keys.len() && self.keys.iter().all(|(key, _)| pinned.contains(key));
        let labels = self.labels_with(found).is_ok_and(|wanted| {
            wanted.iter().all(|(key, value)| node.metadata.labels.get(key) == Some(value))
        });
        same_keys && node.spec.addr == self.addr && labels
    }

    /// The entry that is to be changed; it must know one of the keys. A token alone takes nobody's place.
    fn may_change(&self, services: &Services, place: Place) -> Result<Option<Node>, Problem> {
        let conflict = |text: String| Problem::new(ProblemCode::Conflict, text);
        let name = &self.name;
        if services.shared.config.is_own_name(name.as_str()) {
            return Err(Invalid::new("name", "must not be a name of the gateway").into());
        }
        match place {
            Place::Free => Ok(None),
            Place::Held(node) if self.keys.iter().any(|(key, _)| is_pinned(&node, key)) => Ok(Some(*node)),
            Place::Held(_) => Err(conflict(format!(
                "there is a node {name} with other host keys. If it is this machine, newly installed: \
                 'mezctl nodes rotate-host-key {name}' or 'mezctl nodes rm {name}' first"
            ))),
            Place::Taken(what) => Err(conflict(format!(
                "another node answers at this {what}; give this one another, or remove that"
            ))),
        }
    }
}

/// Certificates for the host keys, each of which the node must prove once more, at its address: only then is it the
/// machine that clients will meet there.
async fn certified(
    services: &Services,
    asked: &Asked,
    node: &Node,
) -> Result<(Vec<HostCertificate>, Vec<AuditEntry>), Problem> {
    let (mut certificates, mut events) = (Vec::new(), Vec::new());
    if !asked.certificates {
        return Ok((certificates, events));
    }
    match time::timeout(CHECK_TIME, proved_at_address(services, asked, node)).await {
        Ok(proved) => proved?,
        Err(_) => return Err(unproved(node, "no answer in time")),
    }
    for (_, key) in &asked.keys {
        let order = HostOrder {
            key: key.clone(),
            key_id: format!("node={}", node.id()),
            names: names(services, node),
            lifetime: NODE_LIFETIME,
        };
        let (certificate, event) = services.shared.authority.sign_host(order).await?;
        let fingerprint = key.fingerprint();
        certificates.push(HostCertificate { fingerprint, certificate: certificate.line() });
        events.push(event.with("actor", GATEWAY).with("node_id", node.id().to_string()));
    }
    Ok((certificates, events))
}

/// Dials the node once for each key, which must be the one that it shows.
async fn proved_at_address(services: &Services, asked: &Asked, node: &Node) -> Result<(), Problem> {
    for (host_key, key) in &asked.keys {
        let spec = NodeSpec { host_keys: vec![host_key.clone()], host_ca: false, ..node.spec.clone() };
        let alone = Node::new(node.id(), Labels::new(), spec);
        let host_ca = services.shared.authority.trusted(CaKind::Host).await?;
        if let Err(error) = services.dialer.probe_host_key(&alone, host_ca).await {
            return Err(unproved(node, &format!("{}: {error}", key.fingerprint())));
        }
    }
    Ok(())
}

fn unproved(node: &Node, why: &str) -> Problem {
    let (addr, why) = (&node.spec.addr, escape(why));
    Problem::new(
        ProblemCode::Unreachable,
        format!("no host certificate: {addr} does not prove the host key ({why}); nothing was changed"),
    )
}

/// What clients call the node; never a name of the gateway.
fn names(services: &Services, node: &Node) -> Vec<String> {
    let host = node.spec.addr.host.folded();
    let mut names = vec![node.spec.hostname.folded(), node.id().to_string()];
    if !services.shared.config.is_own_name(&host) && !names.contains(&host) {
        names.push(host);
    }
    names
}

async fn answer(
    services: &Services,
    node: Node,
    outcome: JoinOutcome,
    host_certificates: Vec<HostCertificate>,
) -> Result<NodeJoined, Problem> {
    let authority = &services.shared.authority;
    Ok(NodeJoined {
        node_id: node.id(),
        cluster: authority.cluster().to_owned(),
        outcome,
        host_certificates,
        openssh_ca: authority.export(CaKind::OpenSsh, ExportForm::Plain).await?,
        host_ca: authority.export(CaKind::Host, ExportForm::Plain).await?,
        node,
    })
}
