//! A look at a node: what is seen of it is kept apart from what is configured.

use std::time::Duration;

use jiff::Timestamp;
use mezite_actors::time;
use mezite_api::node::{NodeCheck, NodeSeen, SeenCaKey, SeenTrust, TrustedBy};
use mezite_api::{Login, Node, Problem, UserName, escape};
use mezite_ca::CaKind;
use mezite_store::AuditEntry;
use uuid::Uuid;

use crate::audit::GATEWAY;
use crate::authority::{NodeCa, NodeCredentialOrder, QueryCredential};
use crate::connection::Services;
use crate::dialer::{Credential, DialError, Look, Looked, Question};
use crate::http::problem;
use crate::rotation;

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
    let questions = match &login {
        Some(login) => questions(services, &node, login).await?,
        None => Vec::new(),
    };
    let look = Look { node: &node, login: login.clone(), thorough, questions: &questions };
    let asked = keys_in_question(services).await?;
    let looked = time::timeout(CHECK_TIME, services.dialer.look(&look, host_ca)).await;
    let before = node.status.seen.take();
    let now = Timestamp::now();
    let seen = if let Ok(looked) = looked {
        if let Some(event) = looked.fault.as_ref().and_then(|fault| mismatch(fault, &node)) {
            services.shared.auditor.record_refusal(event).await;
        }
        let answers = answers(asked, &questions, &looked, now);
        seen(before, looked, answers, now)
    } else {
        let check = NodeCheck { error: Some("no answer in time".to_owned()), ..NodeCheck::at(now, login) };
        NodeSeen { time: now, check: Some(check), ..before.unwrap_or_else(|| NodeSeen::nothing(now)) }
    };
    services.inventory.note_seen(node.id(), &seen).await?;
    node.status.seen = Some(seen);
    Ok(node)
}

fn seen(before: Option<NodeSeen>, looked: Looked, answers: Vec<SeenCaKey>, now: Timestamp) -> NodeSeen {
    let Looked { mut check, software, fault, .. } = looked;
    let reached = check.ok;
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
    if reached {
        seen.take_ca_keys(answers);
    }
    seen
}

/// The CAs whose keys nodes have something to do with.
const CAS: [CaKind; 3] = [CaKind::OpenSsh, CaKind::User, CaKind::Host];

/// Every key that is trusted or will be, by its CA.
async fn keys_in_question(services: &Services) -> Result<Vec<(CaKind, String)>, Problem> {
    let mut keys = Vec::new();
    for ca in CAS {
        let trusted = services.shared.authority.trusted(ca).await?;
        keys.extend(trusted.keys().iter().map(|key| (ca, key.fingerprint())));
    }
    Ok(keys)
}

/// What the look has found out about each key.
fn answers(
    asked: Vec<(CaKind, String)>,
    questions: &[Question],
    looked: &Looked,
    now: Timestamp,
) -> Vec<SeenCaKey> {
    let answer = |(ca, key): (CaKind, String)| {
        let trusted = match (ca, &looked.certified_by) {
            (CaKind::Host, Some(by)) if *by == key => SeenTrust::Yes,
            (CaKind::Host, Some(_)) => SeenTrust::No,
            (CaKind::Host, None) => SeenTrust::Unknown,
            _ => {
                let said = questions.iter().zip(&looked.answers);
                let about = said.into_iter().find(|(question, _)| question.credential.ca_key == key);
                about.map_or(SeenTrust::Unknown, |(_, answer)| *answer)
            }
        };
        SeenCaKey { ca: rotation::ca_type(ca), key, trusted, time: now }
    };
    asked.into_iter().map(answer).collect()
}

/// Certificates to ask with, for each key, the ones that sign first: sshd may not listen to the end.
async fn questions(services: &Services, node: &Node, login: &Login) -> Result<Vec<Question>, Problem> {
    let order = NodeCredentialOrder {
        ca: NodeCa::OpenSsh,
        user: UserName::parse(CHECKER)?,
        login: login.clone(),
        node: node.spec.hostname.clone(),
        connection: Uuid::new_v4().to_string(),
        permits: mezite_ca::Permits::default(),
    };
    let made = services.shared.authority.query_credentials(order).await?;
    let question = |QueryCredential { ca, active, credential }: QueryCredential| {
        let credential = Credential::new(&credential);
        let credential =
            credential.map_err(|error| problem::internal("no certificate to ask with", &error))?;
        Ok(Question { ca, active, credential })
    };
    let mut questions = made.into_iter().map(question).collect::<Result<Vec<_>, Problem>>()?;
    questions.sort_by_key(|question| !question.active);
    Ok(questions)
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
