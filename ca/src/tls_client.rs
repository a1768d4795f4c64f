//! Client certificates: whose they are, and for which key.

use std::time::Duration;

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SignatureAlgorithm};
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_SIG_ED25519};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::text::printable;
use crate::tls::TlsError;

/// Whose a client certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientIdentity<'a> {
    /// A person.
    User {
        /// The user's name.
        user: &'a str,
    },
    /// A bot, in one generation of one of its instances.
    Bot {
        /// The bot's name.
        bot: &'a str,
        /// The generation.
        generation: u64,
    },
}

impl ClientIdentity<'_> {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::User { user } => user,
            Self::Bot { bot, .. } => bot,
        }
    }

    /// The name must stand in the URI as it is: letters, digits and what else user names may have (RFC 3986 section
    /// 3.3 allows all of it in a segment of a path).
    pub(crate) fn check(&self) -> Result<(), TlsError> {
        let name = self.name();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte);
        if (1..=64).contains(&name.len()) && name.bytes().all(plain) {
            return Ok(());
        }
        Err(TlsError::Identity(printable(name.as_bytes())))
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::Bot { .. } => "bot",
        }
    }

    /// `mezite://CLUSTER/user/U` or `mezite://CLUSTER/bot/B/generation/G`.
    pub(crate) fn uri(&self, cluster: &str) -> String {
        match self {
            Self::User { user } => format!("mezite://{cluster}/user/{user}"),
            Self::Bot { bot, generation } => format!("mezite://{cluster}/bot/{bot}/generation/{generation}"),
        }
    }
}

/// What a client certificate shall say.
#[derive(Clone, Copy, Debug)]
pub struct ClientCertificateRequest<'a> {
    /// Whose it is.
    pub identity: ClientIdentity<'a>,
    /// The client's public key, a DER `SubjectPublicKeyInfo`.
    pub public_key: &'a [u8],
    /// How long it shall live: as long as the SSH certificate that is issued with it.
    pub lifetime: Duration,
}

/// A client's public key, of an accepted type.
pub(crate) struct ClientPublicKey {
    algorithm: &'static SignatureAlgorithm,
    bits: Vec<u8>,
}

impl ClientPublicKey {
    /// Reads a DER `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7): P-256 or Ed25519, nothing after it.
    pub(crate) fn from_spki(der: &[u8]) -> Result<Self, TlsError> {
        let (rest, spki) = SubjectPublicKeyInfo::from_der(der).map_err(|_| TlsError::ClientKey)?;
        let bits = spki.subject_public_key.data.to_vec();
        let curve = spki.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
        let algorithm = if spki.algorithm.algorithm == OID_SIG_ED25519 && bits.len() == 32 {
            &PKCS_ED25519
        } else if spki.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY
            && curve == Some(OID_EC_P256)
            && p256::PublicKey::from_sec1_bytes(&bits).is_ok()
        {
            &PKCS_ECDSA_P256_SHA256
        } else {
            return Err(TlsError::ClientKey);
        };
        if rest.is_empty() { Ok(Self { algorithm, bits }) } else { Err(TlsError::ClientKey) }
    }
}

impl PublicKeyData for ClientPublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.bits
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}
