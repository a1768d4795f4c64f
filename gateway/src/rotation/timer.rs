//! The steps that come by themselves (`--grace-period`). What is due lies in the store, so it survives a restart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::Either;
use jiff::Timestamp;
use mezite_actors::{Kind, Rank, Stop, time};
use mezite_api::Problem;
use mezite_api::rotation::RotateRequest;
use mezite_ca::CaKind;
use mezite_store::{AuditEntry, Keyspace, Watch};

use super::phases;
use crate::audit::GATEWAY;
use crate::authority::{CaState, Turn, TurnOrder};
use crate::connection::Services;
use crate::race::race;

/// The task, for the supervisor.
pub const ROTATION: Kind = Kind { name: "rotation", rank: Rank::Front, capacity: 1 };

/// How often a step that was refused is tried again, and the clock is looked at at the latest.
const LOOK: Duration = Duration::from_mins(1);
/// Where nothing is to come.
const NOTHING: Duration = Duration::from_hours(24);

/// Takes the steps that are due, until the front drains.
pub async fn keep_time(services: Arc<Services>, mut changes: Watch, stop: Stop) {
    loop {
        let wait = look(&services).await;
        let awaited = Box::pin(race(time::sleep_until(Instant::now() + wait), keys_changed(&mut changes)));
        match race(stop.drain.wait(), awaited).await {
            Either::Left(()) | Either::Right(Either::Right(None)) => return,
            Either::Right(_) => {}
        }
    }
}

/// Ready after a change of the keys, or where one may have been missed; `None` once the store is closed.
async fn keys_changed(changes: &mut Watch) -> Option<()> {
    loop {
        match changes.next().await? {
            Ok(change) if change.keyspace != Keyspace::Keys => {}
            _ => return Some(()),
        }
    }
}

/// Takes what is due; how long there is nothing to do then.
async fn look(services: &Services) -> Duration {
    let mut wait = NOTHING;
    for ca in [CaKind::User, CaKind::OpenSsh, CaKind::Host] {
        let Ok(state) = services.shared.authority.state(ca).await else {
            wait = wait.min(LOOK);
            continue;
        };
        let Some(automatic) = state.automatic else { continue };
        let left = automatic.due.duration_since(Timestamp::now());
        if left.is_positive() {
            wait = wait.min(left.unsigned_abs()).min(LOOK);
            continue;
        }
        // A step that is taken changes the keys, which wakes this again.
        wait = wait.min(LOOK);
        let request = RotateRequest { revision: Some(state.revision), ..RotateRequest::default() };
        let event = AuditEntry::new("ca.rotate").with("actor", GATEWAY).with("automatic", true);
        if let Err(problem) = super::rotate(services, event, ca, &request).await
            && !automatic.refused
        {
            note_refused(services, &state, &problem).await;
        }
    }
    wait
}

/// Once for each step: it is tried again without a word.
async fn note_refused(services: &Services, state: &CaState, problem: &Problem) {
    let step = phases::next(state.phase);
    let reason = problem.detail.as_str();
    log::warn!(ca = state.ca.as_str(), step = step.as_str(), reason; "a step of a rotation is due and was refused");
    let event = AuditEntry::new("ca.rotate.refuse")
        .with("actor", GATEWAY)
        .with("outcome", "refused")
        .with("step", step.as_str())
        .with("reason", reason);
    let order =
        TurnOrder { ca: state.ca, turn: Turn::NoteRefused, revision: state.revision, automatic: None, event };
    if let Err(error) = services.shared.authority.turn(order).await {
        log::error!(error:%; "that a step of a rotation was refused is not noted");
    }
}
