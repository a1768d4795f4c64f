//! A look at a node: what is seen of it is kept apart from what is configured.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use mezite_actors::time;
use mezite_api::node::{NodeCheck, NodeSeen, SeenTrust, TrustedBy};
use mezite_api::{Login, Node, Problem, UserName, escape};
use mezite_ca::CaKind;
use mezite_ssh::hostkey::KeyPair;
use mezite_store::AuditEntry;
use uuid::Uuid;

use crate::audit::GATEWAY;
use crate::authority::{NodeCa, NodeCredentialOrder};
use crate::connection::Services;
use crate::dialer::{DialError, Look, Looked};

/// For all of a look: over before its client gives up.
pub(super) const CHECK_TIME: Duration = Duration::from_secs(30);
/// Who the certificates are for that trust is asked for with. Nobody logs in with them.
const CHECKER: &str = "nodes.check";

/// Looks at a node, with a login that is known to exist, by default one that it was seen to let in. `thorough`: at all
/// its host keys.
pub async fn check(
    services: &Services,
    mut node: Node,
    login: Option<Login>,
    thorough: bool,
) -> Result<Node, Problem> {
    let login = login.or_else(|| services.dialer.known_login(&node));
    let host_ca = services.shared.authority.trusted(CaKind::Host).await?;
    let credentials = |ca: CaKind| query_credential(services, &node, login.clone(), ca);
    let look = Look { node: &node, login: login.clone(), thorough, credentials: &credentials };
    let looked = time::timeout(CHECK_TIME, services.dialer.look(&look, host_ca)).await;
    let before = node.status.seen.take();
    let now = Timestamp::now();
    let seen = if let Ok(looked) = looked {
        if let Some(event) = looked.fault.as_ref().and_then(|fault| mismatch(fault, &node)) {
            services.shared.auditor.record_refusal(event).await;
        }
        seen(before, looked, now)
    } else {
        let check = NodeCheck { error: Some("no answer in time".to_owned()), ..NodeCheck::at(now, login) };
        NodeSeen { time: now, check: Some(check), ..before.unwrap_or_else(|| NodeSeen::nothing(now)) }
    };
    services.inventory.note_seen(node.id(), &seen).await?;
    node.status.seen = Some(seen);
    Ok(node)
}

fn seen(before: Option<NodeSeen>, looked: Looked, now: Timestamp) -> NodeSeen {
    let Looked { mut check, software, fault } = looked;
    if let Some(fault) = fault {
        check.error = Some(escape(match &fault {
            DialError::HostKey { pinned, seen, .. } => {
                format!("its host key {seen} is not the pinned {pinned}")
            }
            other => other.to_string(),
        }));
    }
    let mut seen = before.unwrap_or_else(|| NodeSeen::nothing(now));
    seen.time = now;
    seen.software = software.unwrap_or(seen.software);
    if !check.host_keys.is_empty() {
        seen.host_keys = check.host_keys.iter().map(|key| key.fingerprint.clone()).collect();
    }
    seen.trusts = match (check.trusts_openssh, check.trusts_user) {
        (SeenTrust::Yes, _) => Some(TrustedBy::OpenSsh),
        (_, SeenTrust::Yes) => Some(TrustedBy::User),
        _ => seen.trusts,
    };
    seen.check = Some(check);
    seen
}

fn query_credential<'a>(
    services: &'a Services,
    node: &Node,
    login: Option<Login>,
    ca: CaKind,
) -> BoxFuture<'a, Result<KeyPair, String>> {
    let name = node.spec.hostname.clone();
    async move {
        let order = NodeCredentialOrder {
            ca: if ca == CaKind::User { NodeCa::User } else { NodeCa::OpenSsh },
            user: UserName::parse(CHECKER).map_err(|error| error.to_string())?,
            login: login.ok_or_else(|| "no login".to_owned())?,
            node: name,
            connection: Uuid::new_v4().to_string(),
            permits: mezite_ca::Permits::default(),
        };
        let credential = services.shared.authority.node_credential(order).await;
        let credential = credential.map_err(|error| error.to_string())?;
        let pair = KeyPair::new(credential.key().clone()).map_err(|error| error.to_string())?;
        let blob = credential.certificate().blob().to_vec();
        pair.with_certificate(blob).map_err(|error| error.to_string())
    }
    .boxed()
}

fn mismatch(fault: &DialError, node: &Node) -> Option<AuditEntry> {
    let DialError::HostKey { pinned, seen, .. } = fault else { return None };
    let event = AuditEntry::new("node.hostkey.mismatch")
        .with("actor", GATEWAY)
        .with("outcome", "refused")
        .with("node", node.spec.hostname.to_string())
        .with("address", node.spec.addr.to_string())
        .with("pinned", pinned.as_str())
        .with("seen", seen.as_str());
    Some(event)
}
