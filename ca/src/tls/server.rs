//! Certificates for the gateway's own HTTPS.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{DnType, ExtendedKeyUsagePurpose, SanType};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::key::TlsKey;
use super::params::{leaf_params, shortened};
use super::{TlsCa, TlsError};

/// Longest life of a server certificate: what Apple's and others' clients accept, with room.
pub const MAX_SERVER_LIFETIME: Duration = Duration::from_hours(397 * 24);
/// Names in one server certificate.
pub(super) const MAX_NAMES: usize = 100;

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

impl TlsCa {
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
