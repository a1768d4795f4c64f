//! Public keys of TLS clients.

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SignatureAlgorithm};
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_SIG_ED25519};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::TlsError;

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
