//! Recordings: the list of them, and the files as they are. Who fetches one is audited before the first byte.

use std::fs::File;
use std::sync::Arc;

use mezite_access::{Resource, Verb};
use mezite_actors::blocking;
use mezite_api::session::{RecordingState, SessionKind};
use mezite_api::{Invalid, Problem, ProblemCode, RecordingInfo};
use mezite_recording::{Kind, ReadError, SessionId, State};
use mezite_store::AuditEntry;
use uuid::Uuid;

use super::Api;
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::page::{Paging, ordered};
use crate::http::problem;
use crate::http::request::Request;
use crate::http::response::{Body, Response};
use crate::http::route::{PAGED, Route};
use crate::inventory::{By as _, Operator};

const MEZREC: &str = "application/vnd.mezite.recording";

pub(super) fn add(api: &mut Api<'_>) {
    api.rule(
        Route::get("/v1/recordings", "Lists recordings, oldest first").query(PAGED),
        (Resource::Recording, Verb::List),
        list,
    );
    api.rule(
        Route::get("/v1/recordings/:session/file", "Gives the recording of a session")
            .query(&[("for", "play or export, for the audit")])
            .answers(MEZREC),
        (Resource::Recording, Verb::Read),
        file,
    );
}

async fn list(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let paging = Paging::of(&request, services.shared.authority.cursor_key())?;
    let archive = services.recorder.archive().clone();
    let listed = blocking::run(move || archive.list()).await;
    let listed = listed.map_err(|error| problem::internal("the recordings cannot be listed", &error))?;
    let listed: Vec<RecordingInfo> = listed.into_iter().map(info).collect();
    Ok(paging.cut(listed, |one| ordered(one.started, one.session)))
}

async fn file(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let event = match request.query.get("for") {
        Some("play") => "recording.play",
        Some("export") => "recording.export",
        _ => return Err(Invalid::new("for", "must be play or export").into()),
    };
    // What is no session id names no recording.
    let session: SessionId = request.param("session").parse().map_err(|_| absent())?;
    let archive = services.recorder.archive().clone();
    let (file, len) =
        blocking::run(move || open(archive.file(session)?)).await.map_err(|error| match error {
            ReadError::NotFound => absent(),
            other => problem::internal("the recording cannot be read", &other),
        })?;
    let event =
        AuditEntry::new(event).by(&operator).with("outcome", "ok").with("session", session.to_string());
    services.shared.auditor.record(event).await.map_err(|error| problem::commit(&error))?;
    Ok(Response { body: Body::File { file, len }, ..Response::ok(MEZREC, Vec::new()) })
}

fn open(file: File) -> Result<(File, u64), ReadError> {
    let len = file.metadata()?.len();
    Ok((file, len))
}

fn absent() -> Problem {
    Problem::new(ProblemCode::NotFound, "there is no such recording")
}

fn info(listed: mezite_recording::RecordingInfo) -> RecordingInfo {
    RecordingInfo {
        session: Uuid::from_bytes(*listed.session.as_bytes()),
        user: listed.user,
        login: listed.login,
        node: listed.node,
        kind: listed.kind.map(|kind| match kind {
            Kind::Shell => SessionKind::Shell,
            Kind::Exec => SessionKind::Exec,
            Kind::Sftp => SessionKind::Sftp,
        }),
        started: listed.started,
        ended: listed.ended,
        bytes: listed.bytes,
        state: match listed.state {
            State::Complete => RecordingState::Complete,
            State::Recovered => RecordingState::Recovered,
            State::Incomplete => RecordingState::Incomplete,
            State::Corrupt { .. } => RecordingState::Corrupt,
        },
    }
}
