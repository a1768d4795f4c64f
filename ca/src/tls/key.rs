//! Private keys of X.509 certificates: P-256, wiped when dropped.

use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::EncodePrivateKey as _;
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::TlsError;
use crate::random::{self, RandomFailed};

/// A P-256 key pair in the form that `rcgen` signs with.
pub(crate) struct TlsKey {
    private: SigningKey,
    point: Box<[u8]>,
}

impl TlsKey {
    pub(crate) fn generate() -> Result<Self, RandomFailed> {
        // Out of range once in 2^32 tries; a source that never gives a scalar in range is broken.
        for _ in 0..8 {
            if let Some(key) = Self::from_secret(&*random::bytes::<32>()?) {
                return Ok(key);
            }
        }
        Err(RandomFailed)
    }

    /// Takes a secret scalar, 32 bytes.
    pub(crate) fn from_secret(secret: &[u8]) -> Option<Self> {
        let private = SigningKey::from_slice(secret).ok()?;
        let point = private.verifying_key().to_encoded_point(false).to_bytes();
        Some(Self { private, point })
    }

    pub(crate) fn secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.private.to_bytes().into())
    }

    /// The key as servers load it.
    pub(crate) fn pkcs8(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let document = SecretKey::from(&self.private).to_pkcs8_der().map_err(|_| TlsError::Damaged)?;
        Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(document.as_bytes().to_vec())))
    }
}

impl PublicKeyData for TlsKey {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for TlsKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: DerSignature =
            self.private.try_sign(message).map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(signature.as_bytes().to_vec())
    }
}
