//! A bot's pair of certificates: SSH and TLS, for one key, of one generation, ending together.

use std::net::IpAddr;
use std::time::SystemTime;

use mezite_api::{UserName, pem};
use mezite_ca::{BotInstance, PublicKey, SshCaKey, TlsCa, TlsError};
use mezite_store::AuditEntry;
use uuid::Uuid;

use super::AuthorityError;
use super::user::{UserCertificateOrder, sign, timestamp_of_seconds};
use crate::inventory::{BotTerms, Pair};

/// Asks for a pair. That the instance may have it is for the caller to know.
#[derive(Debug, Clone)]
pub struct BotOrder {
    /// The bot.
    pub bot: UserName,
    /// What it may be given.
    pub terms: BotTerms,
    /// For which key.
    pub key: PublicKey,
    /// For which instance.
    pub instance: Uuid,
    /// Of which generation.
    pub generation: u64,
    /// Who asks.
    pub source: IpAddr,
}

/// A pair that must not be given away before its event is on disk.
#[derive(Debug)]
pub struct SignedPair {
    /// What the lineage keeps of it.
    pub pair: Pair,
    /// The SSH certificate, one line.
    pub certificate: String,
    /// The TLS certificate, PEM.
    pub tls_certificate: String,
    /// The event.
    pub event: AuditEntry,
}

/// Signs a pair.
pub(super) fn sign_pair(
    ssh: &SshCaKey,
    tls: &TlsCa,
    order: &BotOrder,
    now: SystemTime,
) -> Result<SignedPair, AuthorityError> {
    let user = UserCertificateOrder {
        user: order.bot.clone(),
        bot: Some(BotInstance {
            instance: order.instance.hyphenated().to_string(),
            generation: order.generation,
        }),
        key: order.key.clone(),
        tls_key: Some(order.key.subject_public_key_info().ok_or(TlsError::ClientKey)?),
        issuance: order.terms.issuance.clone(),
        ttl: Some(order.terms.ttl),
        source: Some(order.source),
        actor: order.bot.as_str().into(),
        asked_from: None,
    };
    let (signed, event) = sign(ssh, tls, &user, now)?;
    let body = signed.certificate.body();
    let client = signed.tls.as_ref().ok_or(TlsError::ClientKey)?;
    let pair = Pair {
        generation: order.generation,
        key: order.key.fingerprint(),
        serial: body.serial,
        tls_serial: client.serial,
        expires: timestamp_of_seconds(body.valid_before),
    };
    Ok(SignedPair { pair, certificate: signed.certificate.line(), tls_certificate: pem(&client.der), event })
}
