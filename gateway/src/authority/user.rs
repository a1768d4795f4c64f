//! User certificates: what is asked, what the roles leave of it, and the event that goes with it.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ipnet::IpNet;
use jiff::Timestamp;
use mezite_access::Issuance;
use mezite_api::{Login, UserName};
use mezite_ca::{
    BotInstance, CertificateBody, ClientCertificateRequest, ClientIdentity, IssuedCertificate,
    IssuedClientCertificate, MAX_USER_LIFETIME, Permits, PublicKey, SshCaKey, TlsCa, TlsError,
    UserCertificateRequest, issue_user_certificate,
};
use mezite_store::AuditEntry;
use serde_json::Value;

use super::AuthorityError;

/// Asks for certificates of a user: one for SSH, and one for TLS where a key for it is given. That the user exists and is enabled, and what the roles say now, is for the caller
/// to know.
#[derive(Debug, Clone)]
pub struct UserCertificateOrder {
    /// For whom.
    pub user: UserName,
    /// Where the user is a bot: which instance and generation.
    pub bot: Option<BotInstance>,
    /// For which key.
    pub key: PublicKey,
    /// The key of the TLS client certificate, a DER `SubjectPublicKeyInfo`.
    pub tls_key: Option<Vec<u8>>,
    /// What the user's roles allow.
    pub issuance: Issuance,
    /// How long; what the roles allow when it is not said.
    pub ttl: Option<Duration>,
    /// Where the user logged in from, where that is known.
    pub source: Option<IpAddr>,
    /// Who asks: a user name, or the uid of an operator.
    pub actor: Value,
    /// Where who asks is, where that is somewhere else.
    pub asked_from: Option<SocketAddr>,
}

/// Certificates of a user whose event is on disk. Both are valid for the same time.
#[derive(Debug, Clone)]
pub struct SignedUser {
    /// The certificate.
    pub certificate: IssuedCertificate,
    /// The TLS client certificate, where it was asked for.
    pub tls: Option<IssuedClientCertificate>,
    /// Whether the wanted life was longer than the roles allow.
    pub ttl_cut: bool,
}

/// Signs what is ordered. The event must be committed before the certificate is given away.
pub(super) fn sign(
    ca: &SshCaKey,
    tls_ca: &TlsCa,
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
        bot: order.bot.clone(),
    };
    let certificate = issue_user_certificate(ca, &request, now)?;
    let tls = order
        .tls_key
        .as_deref()
        .map(|key| tls_certificate(tls_ca, order, key, certificate.body(), lifetime, now))
        .transpose()?;
    let ttl_cut = order.ttl.is_some_and(|ttl| ttl > lifetime);
    let signed = SignedUser { certificate, tls, ttl_cut };
    let event = event(order, &signed).with("ca_key", ca.public().fingerprint());
    Ok((signed, event))
}

fn tls_certificate(
    ca: &TlsCa,
    order: &UserCertificateOrder,
    public_key: &[u8],
    beside: &CertificateBody,
    lifetime: Duration,
    now: SystemTime,
) -> Result<IssuedClientCertificate, TlsError> {
    let name = order.user.to_string();
    let identity = match &order.bot {
        None => ClientIdentity::User { user: name },
        Some(BotInstance { instance, generation }) => {
            ClientIdentity::Bot { bot: name, generation: *generation, instance: instance.clone() }
        }
    };
    let request =
        ClientCertificateRequest { identity: &identity, public_key, lifetime, beside: Some(beside) };
    ca.client_certificate(&request, now)
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

fn event(order: &UserCertificateOrder, signed: &SignedUser) -> AuditEntry {
    let body = signed.certificate.body();
    let mut event = AuditEntry::new("cert.issue")
        .with("actor", order.actor.clone())
        .with("outcome", "ok")
        .with("subject", order.user.as_str())
        .with("kind", if order.bot.is_some() { "bot" } else { "user" })
        .with("serial", body.serial)
        .with("key", body.subject.fingerprint())
        .with("principals", body.principals.clone())
        .with("valid_after", timestamp_of_seconds(body.valid_after).to_string())
        .with("valid_before", timestamp_of_seconds(body.valid_before).to_string());
    if let Some(bot) = &order.bot {
        event = event.with("instance", bot.instance.as_str()).with("generation", bot.generation);
    }
    if let Some(tls) = &signed.tls {
        event = event.with("tls_serial", tls.serial).with("tls_key", hex(&tls.key_digest));
    }
    let source = order.asked_from.map(|from| from.to_string());
    if let Some(source) = source.or_else(|| order.source.map(|source| source.to_string())) {
        event = event.with("source", source);
    }
    event
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A moment as events and answers write it.
pub(crate) fn timestamp(moment: SystemTime) -> Timestamp {
    timestamp_of_seconds(moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

/// The same of a moment in seconds since 1970, as certificates have it.
pub(crate) fn timestamp_of_seconds(seconds: u64) -> Timestamp {
    Timestamp::from_second(seconds.cast_signed()).unwrap_or(Timestamp::MAX)
}
