//! Certificates and CA keys as the API carries them.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Host, HostKey, Invalid, TlsPublicKey, UserKey, UserName, duration};

/// Asks for certificates of a user: one for SSH, and one for TLS where a key for it is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignRequest {
    /// For whom.
    pub user: UserName,
    /// For which key.
    pub public_key: UserKey,
    /// The key of a TLS client certificate, PEM `PUBLIC KEY`: P-256 or Ed25519.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_public_key: Option<TlsPublicKey>,
    /// How long; cut to the roles' `max_session_ttl`, which it is when it is not said.
    #[serde(default, with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
}

/// Certificates of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignResponse {
    /// One line, as `ssh-keygen` writes it to `…-cert.pub`.
    pub certificate: String,
    /// The TLS client certificate, PEM, where it was asked for. It is valid for the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<String>,
    /// Its number, which the audit event has too.
    pub serial: u64,
    /// User name and logins.
    pub principals: Vec<String>,
    /// Valid from.
    pub valid_after: Timestamp,
    /// Valid until.
    pub valid_before: Timestamp,
    /// Whether the wanted ttl was longer than the roles allow.
    pub ttl_cut: bool,
}

/// Most names in a host certificate.
pub const HOST_NAMES_MAX: usize = 64;

/// Asks for a certificate of the Host CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSignRequest {
    /// The host key.
    pub public_key: HostKey,
    /// All names and addresses by which clients call the host: DNS names, UUIDs, addresses. Each is matched as it is.
    pub names: Vec<Host>,
    /// How long; a year when it is not said.
    #[serde(default, with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
}

impl HostSignRequest {
    /// Checks what the types of its fields do not.
    pub fn check(&self) -> Result<(), Invalid> {
        match self.names.len() {
            0 => Err(Invalid::new(
                "names",
                "must be given: a certificate without names is good for every host",
            )),
            1..=HOST_NAMES_MAX => Ok(()),
            _ => Err(Invalid::new("names", "are too many")),
        }
    }
}

/// A certificate of the Host CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSignResponse {
    /// One line, for sshd's `HostCertificate`.
    pub certificate: String,
    /// Its number, which the audit event has too.
    pub serial: u64,
    /// The names, in lower case, as clients compare them.
    pub principals: Vec<String>,
    /// Valid from.
    pub valid_after: Timestamp,
    /// Valid until.
    pub valid_before: Timestamp,
}

/// The cluster's CAs by what they sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaType {
    /// User certificates.
    User,
    /// Certificates for the gateway's own connections to nodes.
    OpenSsh,
    /// Host certificates.
    Host,
    /// X.509.
    Tls,
}

impl CaType {
    /// The name as it is written in commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::OpenSsh => "openssh",
            Self::Host => "host",
            Self::Tls => "tls",
        }
    }
}

impl std::fmt::Display for CaType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
