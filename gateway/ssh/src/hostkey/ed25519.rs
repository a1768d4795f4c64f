//! `ssh-ed25519` (RFC 8709).

use ed25519_dalek::{Signature, VerifyingKey};

use super::{Algorithm, SignatureError, key_end, key_field, sole_signature};

/// Ed25519.
pub(super) const PLAIN: Algorithm = Algorithm {
    name: "ssh-ed25519",
    key_type: "ssh-ed25519",
    plain_key_type: "ssh-ed25519",
    signature: "ssh-ed25519",
    certificate: false,
    host_key: true,
    key_fields: 1,
    verify: |mut key, message, signature| {
        let public = key_field(&mut key)?;
        key_end(key)?;
        verify(public, message, sole_signature(signature)?)
    },
};

/// Ed25519 with a certificate.
pub(super) const CERTIFICATE: Algorithm = Algorithm {
    name: "ssh-ed25519-cert-v01@openssh.com",
    key_type: "ssh-ed25519-cert-v01@openssh.com",
    certificate: true,
    ..PLAIN
};

/// Checks a signature strictly: keys and commitments of small order, with which one signature fits many
/// messages, and unreduced scalars are refused (RFC 8032 §8.4).
pub(super) fn verify(public: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let public = public.try_into().map_err(|_| SignatureError::MalformedKey)?;
    let key = VerifyingKey::from_bytes(public).map_err(|_| SignatureError::MalformedKey)?;
    let signature = Signature::from_slice(signature).map_err(|_| SignatureError::MalformedSignature)?;
    key.verify_strict(message, &signature).map_err(|_| SignatureError::Invalid)
}
