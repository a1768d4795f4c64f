//! The rotation of the SSH CAs (semantics section 7): which steps are possible, whom they would cut off, what comes of them.
//!
//! The authority holds the keys and commits a step with its event; this module judges before and cleans up after.

mod advice;
mod certificates;
mod following;
pub mod phases;
mod timer;

use std::time::Duration;

use jiff::Timestamp;
use mezite_api::certificate::CaType;
use mezite_api::rotation::{
    AutomaticStep, CaKeyInfo, CaStatus, CertificatesBy, NamedNode, NodesFollowing, RotateRequest, Rotated,
    RotationPhase, RotationStep,
};
use mezite_api::{Invalid, Problem, ProblemCode};
use mezite_ca::CaKind;
use mezite_store::AuditEntry;

use crate::authority::{Automatic, CaState, Turn, TurnError, TurnOrder};
use crate::connection::Services;
use crate::http::problem;

pub use timer::{ROTATION, keep_time};

/// The longest time before a step comes by itself.
const MAX_GRACE: Duration = Duration::from_hours(365 * 24);

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Step(RotationStep),
    Compromised,
}

impl Done {
    fn as_str(self) -> &'static str {
        match self {
            Self::Step(step) => step.as_str(),
            Self::Compromised => "compromised",
        }
    }
}

/// As the API names a CA.
pub(crate) fn ca_type(ca: CaKind) -> CaType {
    match ca {
        CaKind::User => CaType::User,
        CaKind::OpenSsh => CaType::OpenSsh,
        CaKind::Host => CaType::Host,
        CaKind::Tls => CaType::Tls,
    }
}

/// Where a CA stands, and who follows.
pub async fn status(services: &Services, ca: CaKind) -> Result<CaStatus, Problem> {
    let state = state(services, ca).await?;
    let nodes = following::following(services, &state).await?;
    described(services, &state, Some(nodes)).await
}

/// Takes a step. `event` says who does.
pub async fn rotate(
    services: &Services,
    event: AuditEntry,
    ca: CaKind,
    request: &RotateRequest,
) -> Result<Rotated, Problem> {
    let before = state(services, ca).await?;
    if request.revision.is_some_and(|revision| revision != before.revision) {
        return Err(refused(&TurnError::Changed));
    }
    let done = wanted(&before, request)?;
    let nodes = following::following(services, &before).await?;
    let (turn, lost) = match done {
        Done::Step(step) => (Turn::Step(step), cut_off_by(step, ca, &nodes, request.force)?),
        Done::Compromised => {
            let nodes = following::believers(services, &before).await?;
            (Turn::Replace, Lost { nodes, doubtful: Vec::new() })
        }
    };
    let event = event
        .with("outcome", "ok")
        .with("step", done.as_str())
        .with("forced", request.force)
        .with("lost_nodes", lost.nodes.clone());
    let automatic = request.grace_period.map(|grace| Automatic::after(grace, Timestamp::now()));
    let order = TurnOrder { ca, turn, revision: before.revision, automatic, event };
    let now = services.shared.authority.turn(order).await.map_err(|error| refused(&error))?;
    log::info!(ca = ca.as_str(), step = done.as_str(); "a certificate authority was rotated");
    answer(services, done, &before, &now, lost).await
}

/// Nodes that a step cuts off, or may cut off.
struct Lost {
    nodes: Vec<String>,
    doubtful: Vec<NamedNode>,
}

/// Refused where the step would cut nodes off and is not forced.
fn cut_off_by(step: RotationStep, ca: CaKind, nodes: &NodesFollowing, force: bool) -> Result<Lost, Problem> {
    if following::blocks(step, ca, nodes) && !force {
        return Err(Problem::new(ProblemCode::Conflict, following::refusal(step, ca, nodes)));
    }
    if !following::asks(step, ca) {
        return Ok(Lost { nodes: Vec::new(), doubtful: Vec::new() });
    }
    let lost = following::lost_nodes(nodes).map(|node| node.name.clone()).collect();
    Ok(Lost { nodes: lost, doubtful: following::doubtful_nodes(nodes) })
}

/// What is asked for, where that is possible.
fn wanted(before: &CaState, request: &RotateRequest) -> Result<Done, Problem> {
    let RotateRequest { phase, grace_period, compromised, .. } = request;
    if *compromised {
        if phase.is_some() || grace_period.is_some() {
            return Err(Invalid::new("compromised", "goes with no phase and no grace period").into());
        }
        return Ok(Done::Compromised);
    }
    let step = phase.unwrap_or_else(|| phases::next(before.phase));
    let Some(after) = phases::after(before.phase, step) else {
        let text = phases::impossible(before.ca.as_str(), before.phase, step);
        return Err(Problem::new(ProblemCode::Conflict, text));
    };
    match grace_period {
        Some(_) if after == RotationPhase::Standby => {
            Err(Invalid::new("grace_period", format!("does not go with {step}: no step comes after it"))
                .into())
        }
        Some(grace) if *grace > MAX_GRACE => {
            Err(Invalid::new("grace_period", "must be at most a year").into())
        }
        _ => Ok(Done::Step(step)),
    }
}

/// What came of a step that is on disk.
async fn answer(
    services: &Services,
    done: Done,
    before: &CaState,
    now: &CaState,
    lost: Lost,
) -> Result<Rotated, Problem> {
    let gone = |key: &&CaKeyInfo| now.keys().all(|other| other.fingerprint != key.fingerprint);
    let given_up: Vec<CaKeyInfo> = before.keys().filter(gone).cloned().collect();
    let cut = match done {
        Done::Compromised => services.cut_resting_on(&given_up),
        Done::Step(_) => 0,
    };
    let lost_certificates = match given_up.as_slice() {
        [] => None,
        keys => Some(certificates_by(services, now.ca, keys).await?),
    };
    let to_do = advice::to_do(done, now, lost_certificates.as_ref());
    let status = described(services, now, None).await?;
    let (done, Lost { nodes: lost_nodes, doubtful: doubtful_nodes }) = (done.as_str().to_owned(), lost);
    Ok(Rotated { done, status, given_up, lost_certificates, lost_nodes, doubtful_nodes, cut, to_do })
}

async fn described(
    services: &Services,
    state: &CaState,
    nodes: Option<NodesFollowing>,
) -> Result<CaStatus, Problem> {
    let two_keys = state.phase != RotationPhase::Standby;
    let nodes = match nodes {
        Some(nodes) => nodes,
        None => following::following(services, state).await?,
    };
    let old_certificates = match (state.phase, state.old_key()) {
        (RotationPhase::Activate, Some(old)) => {
            Some(certificates_by(services, state.ca, std::slice::from_ref(old)).await?)
        }
        _ => None,
    };
    Ok(CaStatus {
        ca: ca_type(state.ca),
        phase: state.phase,
        since: state.since,
        revision: state.revision,
        active: state.active.clone(),
        further: state.further.clone(),
        possible: phases::possible(state.phase),
        automatic: state.automatic.map(|automatic| AutomaticStep {
            step: phases::next(state.phase),
            due: automatic.due,
            refused: automatic.refused,
        }),
        nodes: two_keys.then_some(nodes),
        old_certificates,
    })
}

async fn certificates_by(
    services: &Services,
    ca: CaKind,
    keys: &[CaKeyInfo],
) -> Result<CertificatesBy, Problem> {
    let counted = certificates::certificates_by(&services.shared.store, ca, keys).await;
    counted.map_err(|error| problem::read(&error))
}

async fn state(services: &Services, ca: CaKind) -> Result<CaState, Problem> {
    services.shared.authority.state(ca).await.map_err(|error| refused(&error))
}

fn refused(error: &TurnError) -> Problem {
    match error {
        TurnError::NotSsh(_) => Invalid::new("type", format!("{error}: only user, openssh and host")).into(),
        TurnError::Phase | TurnError::Changed => Problem::new(ProblemCode::Conflict, error.to_string()),
        TurnError::Keys(cause) => problem::internal("no key could be made", cause),
        TurnError::Commit(cause) => problem::commit(cause),
        TurnError::Authority(cause) => Problem::new(ProblemCode::Unavailable, cause.to_string()),
    }
}
