//! The TLS CA: X.509 for the gateway's HTTPS and for its clients.

mod client;
mod client_key;
mod error;
mod key;
mod params;
mod server;

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use rcgen::{CertificateParams, Issuer};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::random;
use crate::sealing::{SealedSecret, SealingKey};
use key::TlsKey;
use params::{ca_params, serial_number, set_validity};

pub use client::{ClientCertificateRequest, ClientIdentity, IssuedClientCertificate};
pub(crate) use client_key::ClientPublicKey;
pub use error::TlsError;
pub use server::{MAX_SERVER_LIFETIME, ServerCertificate};

/// Life of the TLS CA's own certificate. It is replaced by rotation, not by expiry.
const CA_LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);

/// The key and certificate of the TLS CA. The key is never shown.
pub struct TlsCa {
    cluster: String,
    created: Timestamp,
    pem: String,
    certificate: CertificateDer<'static>,
    public_key: Vec<u8>,
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
        let public_key = public_key(&certificate).ok_or(TlsError::Damaged)?;
        let issuer = Issuer::new(params, key);
        Ok(Self { cluster: cluster.to_owned(), created, pem, certificate, public_key, issuer })
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

    /// The CA's public key, a DER `SubjectPublicKeyInfo`: what clients may pin.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
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
        f.debug_struct("TlsCa").field("cluster", &self.cluster).finish_non_exhaustive()
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
        if ca.public_key == public { Ok(ca) } else { Err(TlsError::Damaged) }
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

fn parse_pem(text: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(text.as_bytes()).ok()
}

fn public_key(der: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok().filter(|(rest, _)| rest.is_empty())?;
    Some(certificate.public_key().raw.to_vec())
}
