//! Believing client certificates.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use sha2::{Digest as _, Sha256};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::{CLOCK_SKEW, MAX_USER_LIFETIME, Verified};
use crate::tls::{ClientIdentity, ClientPublicKey, TlsError};

/// `id-kp-clientAuth` (RFC 5280 section 4.2.1.12), the content of its DER encoding.
const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
/// A leaf, and perhaps the CA's own certificate behind it.
const MAX_CHAIN: usize = 2;

/// What a client certificate of the cluster says. Rights come from the store, never from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Whose it is, from its URI.
    pub identity: ClientIdentity,
    /// The serial, which the audit event of its issuing has too. The SSH certificate that was issued with it has the same.
    pub serial: u64,
    /// The fingerprint of that certificate's key, from the `OU`: only to refuse by.
    pub ssh_key: Option<String>,
    /// SHA-256 of the public key, a DER `SubjectPublicKeyInfo`.
    pub key_digest: [u8; 32],
    /// Start of the validity.
    pub valid_after: SystemTime,
    /// End of the validity: the first moment at which it does not hold.
    pub valid_before: SystemTime,
}

impl ClientCertificate {
    /// Whether it is still valid. One that was believed when its connection began may have expired since, and one
    /// of a bot may only serve to be renewed.
    pub fn is_current(&self, now: SystemTime) -> bool {
        now < self.valid_before
    }
}

/// Why a client certificate is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientCertificateRefusal {
    /// Not one certificate, followed at most by that of the CA.
    #[error("the chain of the client certificate is not one of this cluster")]
    Chain,
    /// Not X.509, or more than it.
    #[error("the client certificate is malformed")]
    Malformed,
    /// Its names are not exactly one URI of this cluster.
    #[error("the client certificate does not say whose it is")]
    Identity,
    /// Not valid yet, by more than [`CLOCK_SKEW`].
    #[error("the client certificate is not valid yet")]
    NotYetValid,
    /// No longer valid.
    #[error("the client certificate has expired")]
    Expired,
    /// It lives longer than any that is issued.
    #[error("the client certificate lives too long")]
    Lifetime,
    /// Its key is of a type that is not certified.
    #[error("the key of the client certificate is not accepted")]
    Key,
    /// Signed by another CA.
    #[error("the client certificate is of another CA")]
    UnknownCa,
    /// It is a CA's, a server's, or for nothing.
    #[error("the certificate is not one of a client")]
    Usage,
    /// The signature is wrong, or something in it is not understood.
    #[error("the client certificate cannot be verified")]
    Unverified,
}

/// What client certificates are measured by: the cluster and its TLS CA.
#[derive(Clone, Debug)]
pub struct ClientTrust {
    cluster: String,
    anchors: Vec<TrustAnchor<'static>>,
    recovery_window: Duration,
}

impl ClientTrust {
    /// Trusts these CA certificates for this cluster. An expired certificate of a bot still says whose it is for
    /// `recovery_window`: it can be renewed, and is good for nothing else ([`ClientCertificate::is_current`]).
    pub fn new(
        cluster: &str,
        ca: &[CertificateDer<'_>],
        recovery_window: Duration,
    ) -> Result<Self, TlsError> {
        let anchor = |der| anchor_from_trusted_cert(der).map(|anchor| anchor.to_owned());
        let anchors = ca.iter().map(anchor).collect::<Result<_, _>>().map_err(|_| TlsError::Damaged)?;
        Ok(Self { cluster: cluster.to_owned(), anchors, recovery_window })
    }

    /// The distinguished names of the CAs, each the content of its DER sequence, which clients choose by.
    pub fn subjects(&self) -> impl Iterator<Item = &[u8]> {
        self.anchors.iter().map(|anchor| anchor.subject.as_ref())
    }
}

/// Verifies the chain that a TLS client shows, its own certificate first.
///
/// It does not prove that the client has the key: the handshake does. It does not know whether the user exists, is
/// enabled or is locked, nor which generation of a bot is the current one.
///
/// # Errors
///
/// Every refusal of [`ClientCertificateRefusal`].
pub fn verify_client_certificate(
    chain: &[CertificateDer<'_>],
    trust: &ClientTrust,
    now: SystemTime,
) -> Result<Verified<ClientCertificate>, ClientCertificateRefusal> {
    let leaf = chain.first().filter(|_| chain.len() <= MAX_CHAIN).ok_or(ClientCertificateRefusal::Chain)?;
    let certificate = read(leaf, &trust.cluster)?;
    let judged = check_validity(&certificate, trust.recovery_window, now)?;
    let leaf = EndEntityCert::try_from(leaf).map_err(|_| ClientCertificateRefusal::Malformed)?;
    let algorithms = [webpki::aws_lc_rs::ECDSA_P256_SHA256];
    let usage = KeyUsage::required(CLIENT_AUTH);
    leaf.verify_for_usage(&algorithms, &trust.anchors, &[], judged, usage, None, None).map_err(|error| {
        match error {
            webpki::Error::UnknownIssuer => ClientCertificateRefusal::UnknownCa,
            webpki::Error::CaUsedAsEndEntity
            | webpki::Error::EmptyEkuExtension
            | webpki::Error::RequiredEkuNotFoundContext(_) => ClientCertificateRefusal::Usage,
            _ => ClientCertificateRefusal::Unverified,
        }
    })?;
    Ok(Verified(certificate))
}

/// What the certificate claims.
fn read(der: &CertificateDer<'_>, cluster: &str) -> Result<ClientCertificate, ClientCertificateRefusal> {
    let (rest, x509) = X509Certificate::from_der(der).map_err(|_| ClientCertificateRefusal::Malformed)?;
    if !rest.is_empty() {
        return Err(ClientCertificateRefusal::Malformed);
    }
    let names = x509.subject_alternative_name().map_err(|_| ClientCertificateRefusal::Malformed)?;
    let names = names.map(|names| names.value.general_names.as_slice());
    let Some([GeneralName::URI(uri)]) = names else { return Err(ClientCertificateRefusal::Identity) };
    let identity = ClientIdentity::from_uri(uri, cluster).ok_or(ClientCertificateRefusal::Identity)?;
    let spki = x509.public_key().raw;
    ClientPublicKey::from_spki(spki).map_err(|_| ClientCertificateRefusal::Key)?;
    let unit = x509.subject().iter_organizational_unit().next().map(|unit| unit.as_str().map(str::to_owned));
    let ssh_key = unit.transpose().map_err(|_| ClientCertificateRefusal::Malformed)?;
    let moment = |seconds: i64| {
        let seconds = u64::try_from(seconds).map_err(|_| ClientCertificateRefusal::Malformed)?;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or(ClientCertificateRefusal::Malformed)
    };
    Ok(ClientCertificate {
        identity,
        serial: serial(x509.raw_serial())?,
        ssh_key,
        key_digest: Sha256::digest(spki).into(),
        valid_after: moment(x509.validity().not_before.timestamp())?,
        valid_before: moment(x509.validity().not_after.timestamp())?,
    })
}

/// Ours have 63 bits.
fn serial(bytes: &[u8]) -> Result<u64, ClientCertificateRefusal> {
    let mut number = [0; 8];
    let start = number.len().checked_sub(bytes.len()).ok_or(ClientCertificateRefusal::Malformed)?;
    number.iter_mut().skip(start).zip(bytes).for_each(|(to, from)| *to = *from);
    Ok(u64::from_be_bytes(number))
}

/// Judges the validity, and gives a moment within it at which the signature is to be judged.
fn check_validity(
    certificate: &ClientCertificate,
    recovery_window: Duration,
    now: SystemTime,
) -> Result<UnixTime, ClientCertificateRefusal> {
    let ClientCertificate { valid_after, valid_before, .. } = *certificate;
    let life = valid_before.duration_since(valid_after).map_err(|_| ClientCertificateRefusal::Malformed)?;
    if life > MAX_USER_LIFETIME + CLOCK_SKEW {
        return Err(ClientCertificateRefusal::Lifetime);
    }
    if valid_after > now + CLOCK_SKEW {
        return Err(ClientCertificateRefusal::NotYetValid);
    }
    let window = match certificate.identity {
        ClientIdentity::Bot { .. } => recovery_window,
        ClientIdentity::User { .. } => Duration::ZERO,
    };
    if now >= valid_before + window {
        return Err(ClientCertificateRefusal::Expired);
    }
    let judged = now.clamp(valid_after, valid_before);
    Ok(UnixTime::since_unix_epoch(judged.duration_since(UNIX_EPOCH).unwrap_or_default()))
}
