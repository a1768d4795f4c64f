//! The relay's gate: decides about each session anew, records it, and tells the audit.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use mezite_access::{ExecLimit, MfaMode, RecordMode};
use mezite_actors::time::Timer;
use mezite_ca::{UserCertificate, Verified};
use mezite_recording::{Header, Kind, SessionId, command_text};
use rand_core::{OsRng, RngCore};
use uuid::Uuid;

use super::authentication::restricted;
use super::live::LiveConnection;
use super::seen::Sight;
use super::{Origin, Services, events};
use crate::dialer::Witness;
use crate::inventory::{AccessRequest, Grant};
use crate::leg::LegError;
use crate::recorder::Terms;
use crate::relay::{Gate, Notice, Refused, Session, Start, Starting, Tap};

/// Who holds a connection, and by which right.
pub(super) struct Holder {
    /// Where it comes from.
    pub(super) origin: Origin,
    /// What was asked for, to decide again.
    pub(super) asked: AccessRequest,
    /// The decision that let it in.
    pub(super) grant: Grant,
    /// The certificate.
    pub(super) certificate: Verified<UserCertificate>,
}

/// The gate of one connection.
pub(super) struct ConnectionGate {
    services: Arc<Services>,
    holder: Arc<Holder>,
    live: LiveConnection,
    expiry: Timer,
    cut_reason: Option<&'static str>,
    sight: Sight,
    witness: Witness,
}

impl ConnectionGate {
    pub(super) fn new(
        services: Arc<Services>,
        holder: Holder,
        live: LiveConnection,
        sight: Sight,
        witness: Witness,
    ) -> Self {
        let mut expiry = Timer::new();
        if holder.grant.permits.disconnect_expired_cert {
            let left = holder.certificate.valid_before.duration_since(SystemTime::now());
            expiry.set(Some(Instant::now() + left.unwrap_or(Duration::ZERO)));
        }
        Self { services, holder: Arc::new(holder), live, expiry, cut_reason: None, sight, witness }
    }

    /// Why the gateway cut the connection, if it did.
    pub(super) fn cut_reason(&self) -> Option<&'static str> {
        self.cut_reason
    }
}

impl Gate for ConnectionGate {
    fn open(&mut self, open: usize) -> BoxFuture<'static, Result<Session, Refused>> {
        decide(self.services.clone(), self.holder.clone(), open).boxed()
    }

    fn start(&mut self, starting: Starting) -> BoxFuture<'static, Result<Option<Box<dyn Tap>>, Refused>> {
        self.live.session_begun(Uuid::from_bytes(*starting.id.as_bytes()));
        start(self.services.clone(), self.holder.clone(), starting).boxed()
    }

    fn note(&mut self, notice: Notice) {
        if let Notice::SessionEnded { session, .. } = &notice
            && session.kind().is_some()
        {
            self.live.session_ended(Uuid::from_bytes(*session.id.as_bytes()));
        }
        if let Notice::HostKeysSeen(keys) = &notice {
            self.sight.host_keys(keys);
            self.sight.keep(&self.services);
        }
        for event in events::noticed(&self.holder, notice, self.cut_reason) {
            self.services.shared.auditor.note(event);
        }
    }

    fn lost(&mut self, error: &LegError) -> Refused {
        let Holder { origin, grant, .. } = &*self.holder;
        let node = grant.node.spec.hostname.to_string();
        let Some(fault) = self.witness.fault(error) else {
            return origin.line(&format!("the connection to {node} is lost: {error}. Try again in a moment"));
        };
        if let Some(event) = events::host_key_mismatch(origin, grant, &fault) {
            self.services.shared.auditor.note(event);
        }
        origin.line(&fault.line(&node, grant.login.as_str()))
    }

    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<Refused> {
        let origin = &self.holder.origin;
        if self.expiry.poll_expired(cx).is_ready() {
            self.cut_reason = Some("cert_expired");
            let text = "disconnected: your certificate has expired. Log in again with 'msh login'";
            return Poll::Ready(origin.line(text));
        }
        if Pin::new(self.live.cut()).poll(cx).is_ready() {
            let cut = self.live.why();
            self.cut_reason = Some(cut.as_ref().map_or("cut", |cut| cut.reason));
            return Poll::Ready(origin.line(cut.as_ref().map_or("disconnected", |cut| &cut.line)));
        }
        Poll::Pending
    }
}

/// Decides about a session channel: roles may have changed since the connection began.
async fn decide(services: Arc<Services>, holder: Arc<Holder>, open: usize) -> Result<Session, Refused> {
    let grant = services.inventory.authorize(holder.asked.clone()).await;
    let (reason, line) = match grant {
        Ok(grant) if grant.node.id() != holder.grant.node.id() => {
            ("node_changed", "access refused: the name leads to another node now".to_owned())
        }
        Ok(grant) if needs_code(&grant, &holder) => (
            "mfa",
            "access refused: your roles ask for a code with each connection now. Connect again".to_owned(),
        ),
        Ok(grant) => match grant.permits.max_sessions {
            Some(most) if open >= most as usize => (
                "max_sessions",
                format!("access refused: {most} sessions are open already. Close one of them"),
            ),
            _ => return Ok(session(&grant, &holder)),
        },
        Err(refusal) => {
            let line = refusal.line(&holder.asked.subject.user, &holder.asked.login, &holder.asked.node);
            (refusal.reason(), line)
        }
    };
    let event = events::refused("access.refuse", &holder.origin, reason);
    services.shared.auditor.record_refusal(events::about_grant(event, &holder.grant)).await;
    Err(holder.origin.line(&line))
}

/// Whether roles have begun to ask for a code after this connection came in without one.
fn needs_code(grant: &Grant, holder: &Holder) -> bool {
    grant.permits.session_mfa != MfaMode::No && holder.grant.permits.session_mfa == MfaMode::No
}

fn session(grant: &Grant, holder: &Holder) -> Session {
    let mut id = [0; 16];
    OsRng.fill_bytes(&mut id);
    Session::new(SessionId::from_bytes(id), Arc::new(restricted(&grant.permits, &holder.certificate)))
}

/// Begins a session: first its audit event, then its recording, and only then may it run.
async fn start(
    services: Arc<Services>,
    holder: Arc<Holder>,
    starting: Starting,
) -> Result<Option<Box<dyn Tap>>, Refused> {
    let auditor = &services.shared.auditor;
    if let Err(error) = auditor.record(events::session_started(&holder, &starting)).await {
        log::error!(error:%; "a session was refused because its audit event cannot be written");
        return Err(holder
            .origin
            .line("session refused: the audit log cannot be written. Ask an administrator"));
    }
    let mode = starting.permits.record;
    if mode == RecordMode::Off {
        return Ok(None);
    }
    let header = header(&holder, &starting);
    let terms = Terms { mode, limit: limit(&starting), channel: starting.channel };
    match services.recorder.open(header, terms).await {
        Ok(tap) => Ok(Some(Box::new(tap))),
        Err(error) if mode == RecordMode::BestEffort => {
            let event = events::session_event("recording.degraded", &holder, starting.id, "ok");
            auditor.record_refusal(event.with("reason", error.to_string())).await;
            Ok(None)
        }
        Err(error) => {
            let event = events::session_event("recording.fail", &holder, starting.id, "refused");
            auditor.record_refusal(event.with("reason", error.to_string())).await;
            let line = format!("session refused: it cannot be recorded: {error}. Ask an administrator");
            Err(holder.origin.line(&line))
        }
    }
}

/// How much of the output is recorded: a terminal whole, a command up to the limit, sftp as operations only.
fn limit(starting: &Starting) -> Option<ExecLimit> {
    match starting.start.kind() {
        Kind::Sftp => Some(ExecLimit::Bytes(0)),
        _ if starting.pty.is_some() => None,
        _ => Some(starting.permits.record_exec_limit),
    }
}

fn header(holder: &Holder, starting: &Starting) -> Header {
    let command = match &starting.start {
        Start::Shell => None,
        Start::Exec(command) => Some(command_text(command)),
        Start::Subsystem(name) => Some(format!("subsystem {}", command_text(name))),
    };
    Header {
        session: starting.id,
        user: holder.grant.user.name.to_string(),
        login: holder.grant.login.to_string(),
        node: holder.grant.node.spec.hostname.to_string(),
        kind: starting.start.kind(),
        started: Timestamp::now(),
        pty: starting.pty.clone(),
        command,
    }
}
