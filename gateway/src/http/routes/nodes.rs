//! Nodes.

use std::sync::Arc;
use std::time::Duration;

use mezite_access::{Resource, Verb};
use mezite_actors::time;
use mezite_api::node::{NodeAdd, NodeCheckRequest, NodeSpec, NodeUpdate, RotateHostKey};
use mezite_api::{Invalid, Labels, Node, NodeRef, Problem, ProblemCode, escape};
use mezite_ca::CaKind;
use mezite_store::AuditEntry;
use uuid::Uuid;

use super::{Api, rights};
use crate::connection::Services;
use crate::dialer::{DialError, HostKeyFault};
use crate::http::app::Answer;
use crate::http::page::Paging;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::Route;
use crate::http::schema;
use crate::inventory::{By as _, Filter, Operator};
use crate::nodes;

/// For all of a look at a node's host key: over before its client gives up, so that nothing is stored behind its back.
const VERIFY_TIME: Duration = Duration::from_secs(30);

/// What lists of nodes take.
const LIST: &[(&str, &str)] = &[
    ("labels", "Only nodes that have all these labels: key=value,key2=value2"),
    (
        "search",
        "Only nodes with this text in their name, a label key=value, their address or UUID, whatever its case",
    ),
    ("node", "In place of all this: all nodes that this UUID, name or address may mean"),
    ("limit", "At most so many items, from 1 to 1000"),
    ("cursor", "Where the page before has ended, from its Link field"),
];

pub(super) fn add(api: &mut Api<'_>) {
    api.rule(Route::get("/v1/nodes", "Lists nodes by name").query(LIST), (Resource::Node, Verb::List), list);
    api.rule(
        Route::post("/v1/nodes", "Adds a node").takes(schema::node_add).creates(),
        (Resource::Node, Verb::Create),
        create,
    );
    api.rule(
        Route::get("/v1/nodes/:node", "Shows a node by UUID, name or address"),
        (Resource::Node, Verb::Read),
        get,
    );
    api.rule(
        Route::patch("/v1/nodes/:node", "Changes name, labels, address or pinned keys of a node")
            .takes(schema::node_update),
        (Resource::Node, Verb::Update),
        update,
    );
    api.rule(Route::delete("/v1/nodes/:node", "Removes a node"), (Resource::Node, Verb::Delete), remove);
    api.rule(
        Route::put("/v1/nodes/:node/host-keys", "Pins other host keys").takes(schema::rotate_host_key),
        (Resource::Node, Verb::Rotate),
        rotate_host_key,
    );
    api.rule(
        Route::post("/v1/nodes/:node/check", "Looks at a node, and keeps what is seen")
            .takes(schema::node_check),
        (Resource::Node, Verb::Use),
        check,
    );
    by_nodes(api);
}

/// What nodes ask for by themselves.
fn by_nodes(api: &mut Api<'_>) {
    api.open(
        Route::post("/v1/nodes/join", "Makes the entry of a node, for a token")
            .takes(schema::node_join)
            .creates(),
        join,
    );
    api.open(
        Route::post("/v1/nodes/:node/confirm", "Looks at the node that asks for it")
            .takes(schema::node_confirm),
        confirm,
    );
    api.open(
        Route::post("/v1/nodes/:node/leave", "Removes the entry of the node that asks for it")
            .takes(schema::node_leave)
            .answers_nothing(),
        leave,
    );
}

async fn check(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let (name, wanted): (_, NodeCheckRequest) = (named(&request)?, request.json()?);
    let node = services.inventory.node(&name)?;
    Ok(Response::json(200, &nodes::check(&services, node, wanted.login, true).await?))
}

async fn join(services: Arc<Services>, request: Request) -> Answer {
    let source = request.caller.source();
    Ok(Response::json(201, &nodes::join(&services, request.json()?, source).await?))
}

async fn confirm(services: Arc<Services>, request: Request) -> Answer {
    Ok(Response::json(200, &nodes::confirm(&services, own_id(&request)?, request.json()?).await?))
}

async fn leave(services: Arc<Services>, request: Request) -> Answer {
    let source = request.caller.source();
    nodes::leave(&services, own_id(&request)?, request.json()?, source).await?;
    Ok(Response::no_content())
}

/// A node names itself by its UUID.
fn own_id(request: &Request) -> Result<Uuid, Problem> {
    Ok(Uuid::try_parse(request.param("node")).map_err(|_| Invalid::new("node", "must be the node's UUID"))?)
}

async fn list(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    if let Some(node) = request.query.get("node") {
        return Ok(Response::json(200, &services.inventory.nodes_meant(&NodeRef::parse(node)?)?));
    }
    let labels = Labels::parse(request.query.get("labels").unwrap_or_default())?;
    let filter = Filter::new(labels, request.query.get("search").unwrap_or_default())?;
    let paging = Paging::of(&request, services.shared.authority.cursor_key())?;
    let (nodes, next) = services.inventory.nodes(filter, paging.after.clone(), paging.limit).await?;
    Ok(paging.page(&nodes, next.as_deref()))
}

async fn get(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let node = services.inventory.node(&named(&request)?)?;
    Ok(Response::revised(200, &node, node.metadata.revision))
}

async fn create(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let add: NodeAdd = request.json()?;
    add.check()?;
    if add.verify_host_key {
        let (hostname, addr) = (add.name.clone(), add.addr());
        let (host_keys, host_ca) = (add.host_keys.clone(), add.host_ca);
        let spec = NodeSpec { hostname, addr, host_keys, host_ca };
        let id = add.id.unwrap_or_default();
        verify_host_key(&services, &operator, &Node::new(id, Labels::new(), spec)).await?;
    }
    let node = services.inventory.add_node(&operator, add).await?;
    Ok(Response::revised(201, &node, node.metadata.revision))
}

async fn update(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let (name, mut update): (_, NodeUpdate) = (named(&request)?, request.json()?);
    let wanted = request.revision(update.revision)?;
    update.revision = wanted.revision;
    if update.host_keys.is_some()
        || update.host_ca.is_some()
        || changes_proof(&services.inventory.node(&name)?, &update)
    {
        rights::administrator(&services, &request, Resource::Node, Verb::Rotate).await?;
    }
    let node = services.inventory.update_node(&operator, &name, update).await;
    let node = node.map_err(|error| wanted.unmet(error.into()))?;
    Ok(Response::revised(200, &node, node.metadata.revision))
}

/// Where a certificate of the Host CA is believed, another name or host means another machine's certificate.
fn changes_proof(node: &Node, update: &NodeUpdate) -> bool {
    let renamed = update.name.as_ref().is_some_and(|name| *name != node.spec.hostname);
    let moved = update.host.as_ref().is_some_and(|host| *host != node.spec.addr.host);
    node.spec.believes_host_ca() && (renamed || moved)
}

async fn rotate_host_key(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let (name, rotate): (_, RotateHostKey) = (named(&request)?, request.json()?);
    rotate.check()?;
    if rotate.verify_host_key {
        let mut node = services.inventory.node(&name)?;
        node.spec.host_keys.clone_from(&rotate.host_keys);
        verify_host_key(&services, &operator, &node).await?;
    }
    Ok(Response::json(200, &services.inventory.rotate_host_key(&operator, &name, rotate).await?))
}

async fn remove(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let wanted = request.revision(None)?;
    let removed = services.inventory.remove_node(&operator, &named(&request)?, wanted.revision).await;
    removed.map_err(|error| wanted.unmet(error.into()))?;
    Ok(Response::no_content())
}

fn named(request: &Request) -> Result<NodeRef, Problem> {
    Ok(NodeRef::parse(request.param("node"))?)
}

/// Dials the node up to its host key, which must be one of those that are to be pinned.
async fn verify_host_key(services: &Services, operator: &Operator, node: &Node) -> Result<(), Problem> {
    let host_ca = services.shared.authority.trusted(CaKind::Host).await?;
    let probe = services.dialer.probe_host_key(node, host_ca);
    match time::timeout(VERIFY_TIME, probe).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => {
            if let Some(event) = mismatch(&error, operator, node) {
                services.shared.auditor.record_refusal(event).await;
            }
            Err(unverified(&error, node))
        }
        Err(_) => Err(unseen(node, "no answer in time")),
    }
}

/// The only trace of a node that shows another host key: nothing else is stored.
fn mismatch(error: &DialError, operator: &Operator, node: &Node) -> Option<AuditEntry> {
    let DialError::HostKey { pinned, seen, .. } = error else { return None };
    let event = AuditEntry::new("node.hostkey.mismatch")
        .by(operator)
        .with("outcome", "refused")
        .with("node", node.spec.hostname.to_string())
        .with("address", node.spec.addr.to_string())
        .with("pinned", pinned.as_str())
        .with("seen", seen.as_str());
    Some(event)
}

fn unverified(error: &DialError, node: &Node) -> Problem {
    let (name, addr) = (&node.spec.hostname, &node.spec.addr);
    match error {
        DialError::HostKey { fault: HostKeyFault::Unproven, seen, .. } => Problem::new(
            ProblemCode::HostKeyMismatch,
            format!("{name} at {addr} does not prove that it has the host key {seen}; nothing was changed"),
        ),
        DialError::HostKey { pinned, seen, .. } => Problem::new(
            ProblemCode::HostKeyMismatch,
            format!("{name} at {addr} shows the host key {seen}, not {pinned}; nothing was changed"),
        ),
        other => unseen(node, &other.to_string()),
    }
}

fn unseen(node: &Node, why: &str) -> Problem {
    let (name, addr) = (&node.spec.hostname, &node.spec.addr);
    let detail =
        format!("cannot verify the host key of {name} at {addr}: {}; nothing was changed", escape(why));
    Problem::new(ProblemCode::Unreachable, detail)
}
