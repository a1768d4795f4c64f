//! The TLS CA: X.509 for the gateway's HTTPS and for its clients.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::pin::{CaPin, PinError};
use crate::random::{self, RandomFailed};
use crate::sealing::{SealError, SealedSecret, SealingKey};
use crate::tls_client::{ClientCertificateRequest, IssuedClientCertificate};
use crate::tls_client_key::ClientPublicKey;
use crate::tls_key::TlsKey;
use crate::verify::{CLOCK_SKEW, MAX_USER_LIFETIME};

/// Life of the TLS CA's own certificate. It is replaced by rotation, not by expiry.
const CA_LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);
/// Longest life of a server certificate: what Apple's and others' clients accept, with room.
pub const MAX_SERVER_LIFETIME: Duration = Duration::from_hours(397 * 24);
/// Names in one server certificate.
const MAX_NAMES: usize = 100;
/// Certificates start so much in the past, for clocks that are behind ours.
const BACKDATED: Duration = CLOCK_SKEW;

/// Why an X.509 certificate is not issued, or the TLS CA not opened.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A name that is neither a DNS name nor an address, or too many of them, or none.
    #[error("{0:?} cannot stand in a server certificate: a DNS name or an IP address is needed")]
    Name(String),
    /// There is no name, or there are too many.
    #[error("a server certificate needs 1 to {MAX_NAMES} names")]
    NameCount,
    /// A life of nothing, or too long a one.
    #[error("a lifetime of {} s is not possible: 1 s to {} s", asked.as_secs(), longest.as_secs())]
    Lifetime {
        /// What was asked for.
        asked: Duration,
        /// The longest that is possible.
        longest: Duration,
    },
    /// The clock is out of the range of X.509.
    #[error("the clock is out of range")]
    Clock,
    /// The name of a client that cannot stand in a URI as it is.
    #[error("{0:?} cannot stand in a client certificate")]
    Identity(String),
    /// The client's public key is of a type or size that is not accepted.
    #[error("the client's public key is not accepted: P-256 or Ed25519 is needed")]
    ClientKey,
    /// The stored CA is damaged.
    #[error("the stored TLS CA is damaged")]
    Damaged,
    /// The certificate could not be made.
    #[error("the X.509 certificate could not be made: {0}")]
    Encoding(#[from] rcgen::Error),
    /// Sealing or opening failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

impl From<PinError> for TlsError {
    fn from(_: PinError) -> Self {
        Self::Damaged
    }
}

/// The key and certificate of the TLS CA. The key is never shown.
pub struct TlsCa {
    cluster: String,
    created: Timestamp,
    pem: String,
    certificate: CertificateDer<'static>,
    pin: CaPin,
    issuer: Issuer<'static, TlsKey>,
}

impl TlsCa {
    /// Makes a new CA for a cluster. Its key is P-256 whatever the cluster's SSH keys are: many TLS clients refuse
    /// Ed25519.
    pub fn generate(cluster: &str, now: Timestamp) -> Result<Self, TlsError> {
        let key = TlsKey::generate()?;
        let mut params = ca_params(cluster);
        let since_epoch = u64::try_from(now.as_second()).map_err(|_| TlsError::Clock)?;
        set_validity(&mut params, Duration::from_secs(since_epoch), CA_LIFETIME)?;
        params.serial_number = Some(serial_number(random::serial()?));
        let pem = params.self_signed(&key)?.pem();
        Self::assemble(cluster, now, pem, params, key)
    }

    fn assemble(
        cluster: &str,
        created: Timestamp,
        pem: String,
        params: CertificateParams,
        key: TlsKey,
    ) -> Result<Self, TlsError> {
        let certificate = parse_pem(&pem).ok_or(TlsError::Damaged)?;
        let pin = CaPin::of_certificate(&certificate)?;
        let issuer = Issuer::new(params, key);
        Ok(Self { cluster: cluster.to_owned(), created, pem, certificate, pin, issuer })
    }

    /// When it was made.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// The CA's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The CA's certificate as PEM, for `--cacert`.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What clients may pin.
    pub fn pin(&self) -> CaPin {
        self.pin
    }

    /// Issues a server certificate for DNS names and IP addresses, with a fresh P-256 key.
    pub fn server_certificate(
        &self,
        names: &[String],
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<ServerCertificate, TlsError> {
        let mut params = leaf_params(now, lifetime, MAX_SERVER_LIFETIME)?;
        if names.is_empty() || names.len() > MAX_NAMES {
            return Err(TlsError::NameCount);
        }
        params.subject_alt_names = names.iter().map(|name| server_name(name)).collect::<Result<_, _>>()?;
        params.distinguished_name.push(DnType::CommonName, common_name(names));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = TlsKey::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.der().clone();
        let not_after = now + lifetime;
        let key = key.pkcs8()?;
        Ok(ServerCertificate { chain: vec![certificate, self.certificate.clone()], key, not_after })
    }

    /// Issues a client certificate: `CN` the user, `O` the kind, and a URI that says whose it is.
    pub fn client_certificate(
        &self,
        request: &ClientCertificateRequest<'_>,
        now: SystemTime,
    ) -> Result<IssuedClientCertificate, TlsError> {
        request.identity.check()?;
        let key = ClientPublicKey::from_spki(request.public_key)?;
        let mut params = leaf_params(now, request.lifetime, MAX_USER_LIFETIME)?;
        let serial = random::serial()?;
        params.serial_number = Some(serial_number(serial));
        params.distinguished_name.push(DnType::OrganizationName, request.identity.kind());
        params.distinguished_name.push(DnType::CommonName, request.identity.name());
        let uri = request.identity.uri(&self.cluster).try_into()?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let der = params.signed_by(&key, &self.issuer)?.der().clone();
        Ok(IssuedClientCertificate { der, serial, key_digest: Sha256::digest(request.public_key).into() })
    }

    /// The CA in the form in which it may be stored.
    pub fn seal(&self, sealing: &SealingKey) -> Result<SealedTlsCa, TlsError> {
        let certificate = self.pem.clone();
        let secret = sealing.seal(&context(&certificate), &*self.issuer.key().secret())?;
        Ok(SealedTlsCa { cluster: self.cluster.clone(), created: self.created, certificate, secret })
    }
}

impl fmt::Debug for TlsCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsCa")
            .field("cluster", &self.cluster)
            .field("pin", &self.pin)
            .finish_non_exhaustive()
    }
}

/// The TLS CA as it is stored: the certificate in clear, the private key sealed and bound to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedTlsCa {
    /// The cluster's name, as the certificate has it.
    pub cluster: String,
    /// When it was made.
    pub created: Timestamp,
    /// The CA's certificate, PEM.
    pub certificate: String,
    secret: SealedSecret,
}

impl SealedTlsCa {
    /// Opens the private key.
    pub fn open(&self, sealing: &SealingKey) -> Result<TlsCa, TlsError> {
        let secret = sealing.open(&context(&self.certificate), &self.secret)?;
        let key = TlsKey::from_secret(&secret).ok_or(TlsError::Damaged)?;
        let params = ca_params(&self.cluster);
        let public = rcgen::PublicKeyData::subject_public_key_info(&key);
        let ca = TlsCa::assemble(&self.cluster, self.created, self.certificate.clone(), params, key)?;
        if ca.pin == CaPin::of_spki(&public) { Ok(ca) } else { Err(TlsError::Damaged) }
    }
}

fn context(certificate: &str) -> String {
    format!("mezite tls ca {certificate}")
}

/// From when to when an X.509 certificate is valid; nothing where it is none.
pub fn certificate_validity(der: &CertificateDer<'_>) -> Option<(SystemTime, SystemTime)> {
    let (_, certificate) = X509Certificate::from_der(der).ok().filter(|(rest, _)| rest.is_empty())?;
    let moment = |seconds: i64| {
        UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
    };
    let validity = certificate.validity();
    Some((moment(validity.not_before.timestamp())?, moment(validity.not_after.timestamp())?))
}

/// A server's certificate chain (its own first) and private key.
pub struct ServerCertificate {
    /// The chain, the server's own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key, PKCS#8.
    pub key: PrivateKeyDer<'static>,
    /// When it ends; renew it well before.
    pub not_after: SystemTime,
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCertificate").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

/// The part of the CA's certificate that its signatures need again: name, key identifier, key usage.
fn ca_params(cluster: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, shortened(cluster));
    params.distinguished_name.push(DnType::CommonName, format!("{} TLS CA", shortened(cluster)));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// What the certificates that the CA signs have in common.
fn leaf_params(
    now: SystemTime,
    lifetime: Duration,
    longest: Duration,
) -> Result<CertificateParams, TlsError> {
    if lifetime < Duration::from_secs(1) || lifetime > longest {
        return Err(TlsError::Lifetime { asked: lifetime, longest });
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(serial_number(random::serial()?));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let since_epoch = now.duration_since(UNIX_EPOCH).map_err(|_| TlsError::Clock)?;
    set_validity(&mut params, since_epoch, lifetime)?;
    Ok(params)
}

fn serial_number(serial: u64) -> SerialNumber {
    SerialNumber::from_slice(&serial.to_be_bytes())
}

/// From a minute before `since_epoch` to `lifetime` after it.
fn set_validity(
    params: &mut CertificateParams,
    since_epoch: Duration,
    lifetime: Duration,
) -> Result<(), TlsError> {
    // X.509 has no dates beyond the year 9999 (RFC 5280 section 4.1.2.5); the longest life ends well before.
    if since_epoch > Duration::from_hours(8000 * 365 * 24) {
        return Err(TlsError::Clock);
    }
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch.saturating_sub(BACKDATED);
    params.not_after = epoch + since_epoch + lifetime;
    Ok(())
}

fn server_name(name: &str) -> Result<SanType, TlsError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let invalid = || TlsError::Name(crate::text::printable(name.as_bytes()));
    if !is_dns_name(name) {
        return Err(invalid());
    }
    Ok(SanType::DnsName(name.try_into().map_err(|_| invalid())?))
}

/// A host name (RFC 1123), without wildcards.
fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// The common name is for people; it holds at most 64 characters (RFC 5280, ub-common-name).
fn common_name(names: &[String]) -> String {
    names.first().map(|name| shortened(name)).unwrap_or_default()
}

fn shortened(name: &str) -> String {
    name.chars().take(50).collect()
}

fn parse_pem(text: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(text.as_bytes()).ok()
}
