//! The audit events of a connection (semantics section 8). Everything from outside is escaped and cut before it gets here
//! or here.

use std::time::Duration;

use mezite_access::RecordMode;
use mezite_api::{Login, UserName, escape};
use mezite_ca::UserCertificate;
use mezite_recording::{Kind, SessionId};
use mezite_ssh::server::Server;
use mezite_store::AuditEntry;
use sha2::{Digest as _, Sha256};

use super::authentication::Entered;
use super::gate::Holder;
use super::{Origin, is_goodbye};
use crate::dialer::DialError;
use crate::inventory::Grant;
use crate::leg::Leg;
use crate::relay::{End, Exit, Notice, Session, Side, Start, Starting};

/// Longest command that an event holds whole.
const MAX_COMMAND: usize = 64 * 1024;

fn of_connection(kind: &str, origin: &Origin, outcome: &str) -> AuditEntry {
    let event = AuditEntry::new(kind)
        .with("conn", origin.id.to_string())
        .with("source", origin.source.to_string())
        .with("way", origin.way.name())
        .with("outcome", outcome);
    match origin.via {
        Some(outer) => event.with("via", outer.to_string()),
        None => event,
    }
}

/// A client may ask for ways to nodes.
pub(super) fn jump_opening(origin: &Origin, user: &UserName, certificate: &UserCertificate) -> AuditEntry {
    of_connection("jump.open", origin, "ok")
        .with("actor", user.as_str())
        .with("serial", certificate.serial)
        .with("key", certificate.key.fingerprint())
}

/// It asked for something else.
pub(super) fn jump_refused(origin: &Origin, user: &UserName, what: &str) -> AuditEntry {
    of_connection("request.refuse", origin, "refused").with("actor", user.as_str()).with("request", what)
}

/// It is gone.
pub(super) fn jump_closed(origin: &Origin, user: &UserName, reason: &str, bytes: (u64, u64)) -> AuditEntry {
    of_connection("jump.close", origin, "ok")
        .with("actor", user.as_str())
        .with("reason", reason)
        .with("bytes_in", bytes.0)
        .with("bytes_out", bytes.1)
}

/// A client was refused before anything was decided about it.
pub(super) fn refused(kind: &str, origin: &Origin, reason: &str) -> AuditEntry {
    of_connection(kind, origin, "refused").with("reason", reason)
}

/// Adds who wanted to go where. `node` is the text that was asked for.
pub(super) fn about(event: AuditEntry, user: &UserName, login: &Login, node: &str) -> AuditEntry {
    event.with("actor", user.as_str()).with("login", login.as_str()).with("node", escape(node))
}

/// Adds who goes where.
pub(super) fn about_grant(event: AuditEntry, grant: &Grant) -> AuditEntry {
    about(event, &grant.user.name, &grant.login, &grant.node.spec.hostname.to_string())
}

/// A client may go where it wants; it has not been dialled.
pub(super) fn opening(origin: &Origin, grant: &Grant, certificate: &UserCertificate) -> AuditEntry {
    about_grant(of_connection("connection.open", origin, "ok"), grant)
        .with("serial", certificate.serial)
        .with("key", certificate.key.fingerprint())
        .with("roles", grant.permits.granted_by().map(ToString::to_string).collect::<Vec<_>>())
}

/// The node leg does not stand.
pub(super) fn not_reached(origin: &Origin, grant: &Grant, error: &DialError) -> Vec<AuditEntry> {
    let close = about_grant(of_connection("connection.close", origin, "failed"), grant)
        .with("reason", error.reason())
        .with("detail", escape(error.to_string()));
    std::iter::once(close).chain(host_key_mismatch(origin, grant, error)).collect()
}

/// The host key of the node is wrong, where that is the error.
pub(super) fn host_key_mismatch(origin: &Origin, grant: &Grant, error: &DialError) -> Option<AuditEntry> {
    let DialError::HostKey { pinned, seen, .. } = error else { return None };
    let event = about_grant(of_connection("node.hostkey.mismatch", origin, "refused"), grant);
    Some(event.with("pinned", pinned.as_str()).with("seen", seen.as_str()))
}

/// What the event of the end needs to know from the beginning.
pub(super) struct Opened(AuditEntry);

impl Opened {
    pub(super) fn new(origin: &Origin, entered: &Entered, client: &Leg<Server>) -> Self {
        let algorithms = |chosen: Option<mezite_ssh::transport::Algorithms>| {
            chosen.map_or_else(String::new, |a| format!("{} {} {}", a.kex, a.host_key, a.cipher))
        };
        let event = about_grant(of_connection("connection.close", origin, "ok"), &entered.grant)
            .with("address", entered.dialled.address.to_string())
            .with("opened_by", entered.dialled.opened_by.to_string())
            .with("client_version", escape(client.engine.peer_line().unwrap_or_default()))
            .with("node_version", escape(entered.dialled.leg.engine.peer_line().unwrap_or_default()))
            .with("client_algorithms", algorithms(client.engine.algorithms()))
            .with("node_algorithms", algorithms(entered.dialled.leg.engine.algorithms()));
        Self(event)
    }

    pub(super) fn closed(
        self,
        end: &End,
        cut: Option<&'static str>,
        from_client: u64,
        to_client: u64,
        took: Duration,
    ) -> AuditEntry {
        let reason = match end {
            End::Leg(Side::Client, error) if is_goodbye(error) => "client".to_owned(),
            End::Leg(Side::Node, error) if is_goodbye(error) => "node".to_owned(),
            End::Leg(side, error) => format!("{}: {}", name(*side), escape(error.to_string())),
            End::Violation(side, fault) => format!("{}: {}", name(*side), fault.0),
            End::Cut(_) => cut.unwrap_or("cut").to_owned(),
        };
        self.0
            .with("reason", reason)
            .with("bytes_in", from_client)
            .with("bytes_out", to_client)
            .with("seconds", took.as_secs())
    }
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Node => "node",
    }
}

/// An event of one session.
pub(super) fn session_event(kind: &str, holder: &Holder, session: SessionId, outcome: &str) -> AuditEntry {
    about_grant(of_connection(kind, &holder.origin, outcome), &holder.grant)
        .with("session", session.to_string())
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Shell => "shell",
        Kind::Exec => "exec",
        Kind::Sftp => "sftp",
    }
}

/// A session starts.
pub(super) fn session_started(holder: &Holder, starting: &Starting) -> AuditEntry {
    let event = session_event("session.start", holder, starting.id, "ok")
        .with("kind", kind_name(starting.start.kind()))
        .with("pty", starting.pty.is_some())
        .with("recorded", starting.permits.record != RecordMode::Off);
    match &starting.start {
        Start::Shell => event,
        Start::Exec(command) => with_command(event, "command", command),
        Start::Subsystem(subsystem) => with_command(event, "subsystem", subsystem),
    }
}

/// The command, escaped: whole up to 64 KiB, beyond that cut, with the length and digest of the whole.
fn with_command(event: AuditEntry, field: &str, command: &[u8]) -> AuditEntry {
    let kept = command.get(..MAX_COMMAND).unwrap_or(command);
    let text: String = String::from_utf8_lossy(kept).chars().flat_map(visible).collect();
    let event = event.with(field, text);
    if kept.len() == command.len() {
        return event;
    }
    event
        .with("command_bytes", command.len())
        .with("command_sha256", format!("{:x}", Sha256::digest(command)))
}

/// Control characters as their escapes; everything else as it is.
fn visible(c: char) -> Box<dyn Iterator<Item = char>> {
    if c.is_control() { Box::new(c.escape_default()) } else { Box::new(std::iter::once(c)) }
}

/// The events for what the relay has noticed.
pub(super) fn noticed(holder: &Holder, notice: Notice, cut: Option<&'static str>) -> Vec<AuditEntry> {
    let event =
        |kind: &str, outcome: &str| about_grant(of_connection(kind, &holder.origin, outcome), &holder.grant);
    vec![match notice {
        Notice::Refused { side, what } => {
            event("request.refuse", "refused").with("from", name(side)).with("request", what)
        }
        Notice::ForwardRefused(to) => event("forward.refuse", "refused").with("destination", to),
        Notice::ForwardOpened(to) => event("forward.open", "ok").with("destination", to),
        Notice::ForwardClosed { destination, from_client, from_node } => event("forward.close", "ok")
            .with("destination", destination)
            .with("bytes_in", from_client)
            .with("bytes_out", from_node),
        Notice::SessionEnded { session, from_client, from_node } => {
            if session.kind().is_none() {
                return Vec::new();
            }
            ended(holder, &session, cut).with("bytes_in", from_client).with("bytes_out", from_node)
        }
        Notice::HostKeysSeen(_) => return Vec::new(),
    }]
}

fn ended(holder: &Holder, session: &Session, cut: Option<&'static str>) -> AuditEntry {
    let event = session_event("session.end", holder, session.id, "ok")
        .with("kind", session.kind().map(kind_name).unwrap_or_default())
        .with("seconds", session.opened.elapsed().as_secs());
    let event = match &session.exit {
        Some(Exit::Status(status)) => event.with("exit_status", *status),
        Some(Exit::Signal(name)) => event.with("exit_signal", name.as_str()),
        None => event,
    };
    match cut {
        Some(reason) => event.with("reason", reason),
        None => event,
    }
}
