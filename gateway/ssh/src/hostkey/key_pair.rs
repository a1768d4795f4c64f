//! Signing: what the engine asks of whoever holds a private key, and a holder of one in memory.

use std::fmt;

use signature::Signer as _;
use ssh_key::PrivateKey;
use thiserror::Error;

use super::{ALGORITHMS, Algorithm, fingerprint, key_blob_type, plain_key_blob};
use crate::wire::Writer;

/// Signing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignError {
    /// The signer was asked for an algorithm that it did not list.
    #[error("the key does not sign with this algorithm")]
    Algorithm,
    /// The key could not be used.
    #[error("the key could not sign")]
    Key,
}

/// A private key and certificate cannot become a [`KeyPair`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyPairError {
    /// Only unencrypted Ed25519 and ECDSA keys are used for signing. RSA is not: the library's private
    /// operations take a time that depends on the key (RUSTSEC-2023-0071).
    #[error("a private key of this kind is not used for signing")]
    Unsupported,
    /// The certificate is not one for this kind of key.
    #[error("the certificate is malformed or not one for this kind of key")]
    CertificateType,
    /// The certificate certifies another key.
    #[error("the certificate is for another key")]
    OtherKey,
}

/// A private key, wherever it is held, together with the public blob that it proves.
pub trait Signer: Send + Sync {
    /// The algorithms of [`ALGORITHMS`] that it signs with, most preferred first.
    fn algorithms(&self) -> &[&'static str];

    /// The plain key or the certificate to show.
    fn public_blob(&self) -> &[u8];

    /// Signs a message; gives the signature blob (`string name ‖ string signature`).
    ///
    /// # Errors
    /// [`SignError`]
    fn sign(&self, algorithm: &str, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// A private key in memory, shown plain or inside a certificate. The key is wiped when dropped.
pub struct KeyPair {
    private: PrivateKey,
    public_blob: Vec<u8>,
    algorithm: &'static Algorithm,
    names: [&'static str; 1],
}

impl KeyPair {
    /// A key pair shown as a plain key.
    ///
    /// # Errors
    /// [`KeyPairError::Unsupported`]
    pub fn new(private: PrivateKey) -> Result<Self, KeyPairError> {
        let key_data = private.key_data();
        if !(key_data.is_ed25519() || key_data.is_ecdsa()) {
            return Err(KeyPairError::Unsupported);
        }
        let public_blob = private.public_key().to_bytes().map_err(|_| KeyPairError::Unsupported)?;
        let algorithm = algorithm_of(&public_blob).ok_or(KeyPairError::Unsupported)?;
        Ok(Self { private, public_blob, algorithm, names: [algorithm.name] })
    }

    /// The same key shown inside this certificate.
    ///
    /// # Errors
    /// [`KeyPairError::CertificateType`], [`KeyPairError::OtherKey`]
    pub fn with_certificate(self, certificate: Vec<u8>) -> Result<Self, KeyPairError> {
        let algorithm = algorithm_of(&certificate)
            .filter(|algorithm| {
                algorithm.certificate && algorithm.plain_key_type == self.algorithm.plain_key_type
            })
            .ok_or(KeyPairError::CertificateType)?;
        let certified = plain_key_blob(&certificate).map_err(|_| KeyPairError::CertificateType)?;
        let own = plain_key_blob(&self.public_blob).map_err(|_| KeyPairError::Unsupported)?;
        if certified != own {
            return Err(KeyPairError::OtherKey);
        }
        Ok(Self { public_blob: certificate, algorithm, names: [algorithm.name], private: self.private })
    }
}

/// The algorithm that goes with a blob; there is only one for each type of key but RSA.
fn algorithm_of(key_blob: &[u8]) -> Option<&'static Algorithm> {
    let key_type = key_blob_type(key_blob).ok()?;
    ALGORITHMS.iter().find(|algorithm| algorithm.key_type == key_type)
}

impl Signer for KeyPair {
    fn algorithms(&self) -> &[&'static str] {
        &self.names
    }

    fn public_blob(&self) -> &[u8] {
        &self.public_blob
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Result<Vec<u8>, SignError> {
        if algorithm != self.algorithm.name {
            return Err(SignError::Algorithm);
        }
        let signature = self.private.try_sign(message).map_err(|_| SignError::Key)?;
        let mut blob = Vec::new();
        blob.string(self.algorithm.signature).string(signature.as_bytes());
        Ok(blob)
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair")
            .field("algorithm", &self.algorithm.name)
            .field("fingerprint", &fingerprint(&self.public_blob))
            .finish_non_exhaustive()
    }
}
