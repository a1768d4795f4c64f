//! User certificates: what is asked, what the roles leave of it, and the event that goes with it.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ipnet::IpNet;
use jiff::Timestamp;
use mezite_access::Issuance;
use mezite_api::{Login, UserName};
use mezite_ca::{
    IssuedCertificate, MAX_USER_LIFETIME, Permits, PublicKey, SshCaKey, UserCertificateRequest,
    issue_user_certificate,
};
use mezite_store::AuditEntry;
use serde_json::Value;

use super::AuthorityError;

/// Asks for a user certificate. That the user exists and is enabled, and what the roles say now, is for the caller
/// to know.
#[derive(Debug, Clone)]
pub struct UserCertificateOrder {
    /// For whom.
    pub user: UserName,
    /// For which key.
    pub key: PublicKey,
    /// What the user's roles allow.
    pub issuance: Issuance,
    /// How long; what the roles allow when it is not said.
    pub ttl: Option<Duration>,
    /// Where the user logged in from, where that is known.
    pub source: Option<IpAddr>,
    /// Who asks: a user name, or the uid of an operator.
    pub actor: Value,
}

/// A user certificate whose event is on disk.
#[derive(Debug, Clone)]
pub struct SignedUser {
    /// The certificate.
    pub certificate: IssuedCertificate,
    /// Whether the wanted life was longer than the roles allow.
    pub ttl_cut: bool,
}

/// Signs what is ordered. The event must be committed before the certificate is given away.
pub(super) fn sign(
    ca: &SshCaKey,
    order: &UserCertificateOrder,
    now: SystemTime,
) -> Result<(SignedUser, AuditEntry), AuthorityError> {
    let longest = order.issuance.max_session_ttl.min(MAX_USER_LIFETIME);
    let lifetime = order.ttl.unwrap_or(longest).min(longest);
    let source_addresses = match (order.issuance.pin_source_ip, order.source) {
        (false, _) => Vec::new(),
        (true, Some(source)) => vec![IpNet::from(source)],
        (true, None) => return Err(AuthorityError::NoSource),
    };
    let request = UserCertificateRequest {
        user: order.user.to_string(),
        key: order.key.clone(),
        logins: order.issuance.logins.iter().map(Login::to_string).collect(),
        lifetime,
        source_addresses,
        permits: permits(&order.issuance),
        bot: None,
    };
    let certificate = issue_user_certificate(ca, &request, now)?;
    let event = event(order, &certificate);
    Ok((SignedUser { certificate, ttl_cut: order.ttl.is_some_and(|ttl| ttl > lifetime) }, event))
}

fn permits(issuance: &Issuance) -> Permits {
    Permits {
        pty: issuance.pty,
        agent_forwarding: issuance.forward_agent,
        x11_forwarding: issuance.x11_forwarding,
        port_forwarding: issuance.port_forwarding,
        listed_forwarding: issuance.listed_forwarding,
    }
}

fn event(order: &UserCertificateOrder, certificate: &IssuedCertificate) -> AuditEntry {
    let body = certificate.body();
    let mut event = AuditEntry::new("cert.issue")
        .with("actor", order.actor.clone())
        .with("outcome", "ok")
        .with("subject", order.user.as_str())
        .with("kind", "user")
        .with("serial", body.serial)
        .with("key", body.subject.fingerprint())
        .with("principals", body.principals.clone())
        .with("valid_before", timestamp_of_seconds(body.valid_before).to_string());
    if let Some(source) = order.source {
        event = event.with("source", source.to_string());
    }
    event
}

/// A moment as events and answers write it.
pub(crate) fn timestamp(moment: SystemTime) -> Timestamp {
    timestamp_of_seconds(moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

/// The same of a moment in seconds since 1970, as certificates have it.
pub(crate) fn timestamp_of_seconds(seconds: u64) -> Timestamp {
    Timestamp::from_second(seconds.cast_signed()).unwrap_or(Timestamp::MAX)
}
