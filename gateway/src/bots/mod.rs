//! How instances of bots get their certificates: joining with a token, renewing with what they have, and saying that
//! a pair has arrived.

mod guesses;
mod join;
mod oidc;
mod renew;

use std::net::IpAddr;

use mezite_api::bot::{Credentials, MAX_PROOF_BYTES};
use mezite_api::{Host, Invalid, Problem, ProblemCode, UserKey, UserName, escape};
use mezite_ca::{CaKind, ExportForm, PublicKey, Statement};
use mezite_store::AuditEntry;

use crate::connection::Services;
use crate::inventory::{Instance, Pending, Refusal};

pub use guesses::Guesses;
pub use join::join;
pub(crate) use join::refused as token_refused;
pub use oidc::join_oidc;
pub use renew::{Holder, acknowledge, renew};

/// How often something is tried when somebody else changes what it is about.
const TRIES: usize = 8;

/// The key that a pair is asked for, and that whoever asks has it.
fn proven_key(key: &UserKey, statement: &Statement<'_>, proof: &str) -> Result<PublicKey, Problem> {
    let key = PublicKey::from_key_data(key.key_data());
    let key = key.map_err(|error| Invalid::new("public_key", error.to_string()))?;
    if key.subject_public_key_info().is_none() {
        return Err(Invalid::new("public_key", "must be of type ECDSA P-256 or Ed25519").into());
    }
    if proof.len() > MAX_PROOF_BYTES || statement.verify(&key, proof).is_err() {
        return Err(Invalid::new("proof", "is not a signature of this request by this key").into());
    }
    Ok(key)
}

/// What an instance is told.
async fn credentials(
    services: &Services,
    instance: &Instance,
    pending: &Pending,
) -> Result<Credentials, Problem> {
    let shared = &services.shared;
    Ok(Credentials {
        cluster: shared.config.cluster_name.clone(),
        bot: instance.bot.clone(),
        instance: instance.id,
        generation: pending.pair.generation,
        certificate: pending.certificate.clone(),
        tls_certificate: pending.tls_certificate.clone(),
        known_hosts: shared.authority.export(CaKind::Host, ExportForm::KnownHosts).await?,
        tls_ca: shared.authority.tls_pem().to_owned(),
        ssh: ssh_address(services),
        now: jiff::Timestamp::now(),
        valid_before: pending.pair.expires,
        recovery_window: shared.config.recovery_window,
    })
}

/// What clients are told to connect to for SSH.
pub(crate) fn ssh_address(services: &Services) -> String {
    let shared = &services.shared;
    let port = shared.addresses.get().map_or(shared.config.ssh_listen, |known| known.ssh).port();
    let (host, port) = match &shared.config.ssh_public_addr {
        Some((host, port)) => (host.clone(), *port),
        None => (shared.config.public_addr.first().cloned().unwrap_or_default(), port),
    };
    host_port(&host, port)
}

/// `HOST:PORT`, with brackets around an IPv6 address.
pub(crate) fn host_port(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>().map(Host::Ip) {
        Ok(Host::Ip(IpAddr::V6(address))) => format!("[{address}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

/// Nothing is issued to a bot that is locked, disabled or gone. Audited before it is said.
async fn not_issued(services: &Services, bot: &UserName, source: IpAddr, refusal: &Refusal) -> Problem {
    let event = AuditEntry::new("cert.refuse")
        .with("actor", bot.as_str())
        .with("subject", bot.as_str())
        .with("outcome", "refused")
        .with("source", source.to_string())
        .with("reason", refusal.reason());
    services.shared.auditor.record_refusal(event).await;
    let (code, why) = match refusal {
        Refusal::Locked(Some(message)) => {
            (ProblemCode::Locked, format!("{bot} is locked: {}", escape(message)))
        }
        Refusal::Locked(None) => (ProblemCode::Locked, format!("{bot} is locked")),
        Refusal::UnknownUser => (ProblemCode::Forbidden, format!("there is no bot {bot} any more")),
        Refusal::Disabled => (ProblemCode::Forbidden, format!("{bot} is disabled")),
        Refusal::NoRoles => (ProblemCode::Forbidden, format!("{bot} has no roles")),
        Refusal::Generation => (
            ProblemCode::Forbidden,
            "this certificate is of no instance that is known; join again with a new token".to_owned(),
        ),
        Refusal::Revoked => (
            ProblemCode::Forbidden,
            format!("this certificate of {bot} was revoked; join again with a new token"),
        ),
        other => (ProblemCode::Unavailable, other.user_line(bot)),
    };
    Problem::new(code, why)
}
