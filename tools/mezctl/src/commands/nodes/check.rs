//! `mezctl nodes check`

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use mezite_api::client::{Client, ClientError};
use mezite_api::node::{NodeCheck, NodeCheckRequest, SeenCaKey, SeenTrust};
use mezite_api::{Labels, Login, Node, NodeRef};
use mezite_console::output::{Output, dash, local};
use mezite_console::{CommandError, Kind};
use serde::Serialize;

use super::reference;

/// Nodes that are looked at at once.
const AT_ONCE: usize = 64;
/// Between the beginnings of two looks: the gateway has connections to serve beside them.
const PACE: Duration = Duration::from_millis(10);

/// Dials nodes and keeps what is seen of them. Exits with 6 when one cannot be reached, 5 when one shows another host
/// key.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Its UUID, name or address.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    node: Option<String>,
    /// All nodes, 64 at once.
    #[arg(long)]
    all: bool,
    /// A login that exists on the node, to see which CAs it trusts; by default one that the node was seen to let in.
    #[arg(long)]
    login: Option<String>,
    /// Of --all, only those that have all these labels: key=value,key2=value2.
    #[arg(long, default_value = "", hide_default_value = true, requires = "all")]
    labels: String,
    #[command(flatten)]
    output: Output,
}

/// One line of the outcome for programs.
#[derive(Debug, Serialize)]
struct Checked {
    name: String,
    address: String,
    #[serde(flatten)]
    check: NodeCheck,
    software: String,
    /// Whether users can go round the gateway.
    bypass: bool,
    /// How it stands to each key, also those that are being rotated in or out.
    ca_keys: Vec<SeenCaKey>,
}

impl Check {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let login = self.login.as_deref().map(Login::parse).transpose()?;
        let request = NodeCheckRequest { login };
        let checked = match &self.node {
            Some(node) => vec![checked(client.check_node(&reference(node)?, &request)?)],
            None => all(client, &client.nodes(&Labels::parse(&self.labels)?)?, &request)?,
        };
        if self.all {
            let headings = ["NAME", "ADDRESS", "STATE", "LATENCY", "SOFTWARE", "OPENSSH CA", "USER CA"];
            self.output.list(&checked, &headings, row)?;
        } else if let Some(one) = checked.first() {
            self.output.one(one, lines)?;
        }
        for one in checked.iter().filter(|one| one.bypass) {
            eprintln!(
                "warning: {} trusts the User CA: users can reach it past the gateway, its roles and its recording",
                one.name
            );
        }
        // A pinned key that is not shown counts for more than a node that is away.
        let shows_other = |one: &&Checked| !one.check.ok && !one.check.host_keys.is_empty();
        match checked.iter().find(|one| !one.check.ok) {
            None => Ok(()),
            Some(_) if checked.iter().any(|one| shows_other(&one)) => {
                Err(CommandError::silent(Kind::Conflict))
            }
            Some(_) => Err(CommandError::silent(Kind::Unreachable)),
        }
    }
}

/// Has so many looked at at once. One that was removed meanwhile is left out.
fn all(client: &Client, nodes: &[Node], request: &NodeCheckRequest) -> Result<Vec<Checked>, CommandError> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let turn = Mutex::new(Instant::now());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(nodes.len()) {
            scope.spawn(|| {
                while let Some(node) = nodes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    pause(&turn);
                    let answer = NodeRef::parse(&node.id().to_string())
                        .map_err(|invalid| ClientError::Answer(invalid.to_string()))
                        .and_then(|reference| client.check_node(&reference, request));
                    found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(answer);
                }
            });
        }
    });
    let mut checked = Vec::new();
    for answer in found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        match answer {
            Ok(node) => checked.push(self::checked(node)),
            Err(ClientError::Refused(problem)) if problem.code == mezite_api::ProblemCode::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    checked.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(checked)
}

/// Waits until it is this one's turn to begin.
fn pause(turn: &Mutex<Instant>) {
    let mut turn = turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    thread::sleep(turn.saturating_duration_since(Instant::now()));
    *turn = Instant::now() + PACE;
}

fn checked(node: Node) -> Checked {
    let seen = node.status.seen;
    let ca_keys = seen.as_ref().map(|seen| seen.ca_keys.clone()).unwrap_or_default();
    let software = seen.as_ref().map(|seen| seen.software.clone()).unwrap_or_default();
    let check =
        seen.and_then(|seen| seen.check).unwrap_or_else(|| NodeCheck::at(jiff::Timestamp::now(), None));
    Checked {
        name: node.spec.hostname.to_string(),
        address: node.spec.addr.to_string(),
        bypass: check.trusts_user == SeenTrust::Yes,
        software,
        check,
        ca_keys,
    }
}

fn state(check: &NodeCheck) -> String {
    if check.ok { "ok".to_owned() } else { check.error.clone().unwrap_or_else(|| "unknown".to_owned()) }
}

fn latency(check: &NodeCheck) -> String {
    check.latency_ms.map_or_else(dash, |latency| format!("{latency} ms"))
}

fn row(one: &Checked) -> Vec<String> {
    vec![
        one.name.clone(),
        one.address.clone(),
        state(&one.check),
        latency(&one.check),
        one.software.clone(),
        one.check.trusts_openssh.as_str().to_owned(),
        one.check.trusts_user.as_str().to_owned(),
    ]
}

fn lines(one: &Checked) -> Vec<(&'static str, String)> {
    let check = &one.check;
    let mut lines = vec![
        ("name", one.name.clone()),
        ("address", one.address.clone()),
        ("state", state(check)),
        ("latency", latency(check)),
        ("software", one.software.clone()),
    ];
    if let Some(names) = &check.algorithms {
        lines.push(("algorithms", format!("{}, {}, {}", names.kex, names.host_key, names.cipher)));
    }
    lines.extend(check.host_keys.iter().map(|key| {
        let pinned = if key.pinned { "pinned" } else { "not pinned" };
        ("host key", format!("{} {} ({pinned})", key.key_type, key.fingerprint))
    }));
    lines.push(("login", check.login.as_ref().map_or_else(dash, ToString::to_string)));
    lines.push(("trusts openssh ca", check.trusts_openssh.as_str().to_owned()));
    lines.push(("trusts user ca", check.trusts_user.as_str().to_owned()));
    let rotating = |key: &&SeenCaKey| one.ca_keys.iter().filter(|other| other.ca == key.ca).count() > 1;
    lines.extend(one.ca_keys.iter().filter(rotating).map(|key| {
        let SeenCaKey { ca, key, trusted, time } = key;
        ("ca key", format!("{ca} {key}: {} ({})", trusted.as_str(), local(*time)))
    }));
    lines
}
