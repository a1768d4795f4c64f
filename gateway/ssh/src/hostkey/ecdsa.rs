//! `ecdsa-sha2-nistp256`, `-nistp384` and `-nistp521` (RFC 5656 §3).

use signature::Verifier;
use ssh_key::public::EcdsaPublicKey;
use ssh_key::{EcdsaCurve, Signature};

use super::{Algorithm, SignatureError, key_end, key_field, sole_signature};
use crate::wire::Reader;

/// ECDSA on P-256 with SHA-256.
pub(super) const NISTP256: Algorithm = Algorithm {
    name: "ecdsa-sha2-nistp256",
    key_type: "ecdsa-sha2-nistp256",
    plain_key_type: "ecdsa-sha2-nistp256",
    signature: "ecdsa-sha2-nistp256",
    certificate: false,
    host_key: true,
    key_fields: 2,
    verify: |key, message, signature| verify_plain(EcdsaCurve::NistP256, key, message, signature),
};

/// ECDSA on P-384 with SHA-384.
pub(super) const NISTP384: Algorithm = Algorithm {
    name: "ecdsa-sha2-nistp384",
    key_type: "ecdsa-sha2-nistp384",
    plain_key_type: "ecdsa-sha2-nistp384",
    signature: "ecdsa-sha2-nistp384",
    verify: |key, message, signature| verify_plain(EcdsaCurve::NistP384, key, message, signature),
    ..NISTP256
};

/// ECDSA on P-521 with SHA-512.
pub(super) const NISTP521: Algorithm = Algorithm {
    name: "ecdsa-sha2-nistp521",
    key_type: "ecdsa-sha2-nistp521",
    plain_key_type: "ecdsa-sha2-nistp521",
    signature: "ecdsa-sha2-nistp521",
    verify: |key, message, signature| verify_plain(EcdsaCurve::NistP521, key, message, signature),
    ..NISTP256
};

/// ECDSA on P-256 with a certificate.
pub(super) const NISTP256_CERTIFICATE: Algorithm = Algorithm {
    name: "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    key_type: "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    certificate: true,
    ..NISTP256
};

/// ECDSA on P-384 with a certificate.
pub(super) const NISTP384_CERTIFICATE: Algorithm = Algorithm {
    name: "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    key_type: "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    certificate: true,
    ..NISTP384
};

/// ECDSA on P-521 with a certificate.
pub(super) const NISTP521_CERTIFICATE: Algorithm = Algorithm {
    name: "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    key_type: "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    certificate: true,
    ..NISTP521
};

fn verify_plain(
    curve: EcdsaCurve,
    mut key: Reader<'_>,
    message: &[u8],
    signature: Reader<'_>,
) -> Result<(), SignatureError> {
    let point = curve_point(curve, &mut key)?;
    key_end(key)?;
    verify(&point, message, sole_signature(signature)?)
}

/// The curve name and the point of a key. Only the uncompressed form is taken, as in OpenSSH, so that a key
/// has one blob and one fingerprint. Whether the point is on the curve is seen when a signature is checked.
pub(super) fn curve_point(curve: EcdsaCurve, key: &mut Reader<'_>) -> Result<EcdsaPublicKey, SignatureError> {
    let name = key_field(key)?;
    let point = key_field(key)?;
    if name != curve.as_str().as_bytes() || point.first() != Some(&0x04) {
        return Err(SignatureError::MalformedKey);
    }
    match EcdsaPublicKey::from_sec1_bytes(point) {
        Ok(key) if key.curve() == curve => Ok(key),
        _ => Err(SignatureError::MalformedKey),
    }
}

/// Checks a signature `mpint r ‖ mpint s`; zero, negative and overlong numbers are refused.
pub(super) fn verify(key: &EcdsaPublicKey, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let signature =
        Signature::new(key.algorithm(), signature).map_err(|_| SignatureError::MalformedSignature)?;
    key.verify(message, &signature).map_err(|_| SignatureError::Invalid)
}
