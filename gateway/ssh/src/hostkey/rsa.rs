//! `rsa-sha2-512` and `rsa-sha2-256` (RFC 8332). The key type stays `ssh-rsa`; signing with SHA-1, which that
//! name once meant, does not exist here.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
};
use ssh_key::Mpint;

use super::{Algorithm, SignatureError, key_end, key_field, sole_signature};
use crate::wire::Reader;

/// Length of the shortest modulus that is allowed, in bits.
const MIN_MODULUS_BITS: usize = 2048;
/// Length of the longest modulus that is allowed, in bits: what a stranger can make us compute is bounded.
const MAX_MODULUS_BITS: usize = 8192;

/// RSA, PKCS#1 v1.5, with SHA-512.
pub(super) const SHA2_512: Algorithm = Algorithm {
    name: "rsa-sha2-512",
    key_type: "ssh-rsa",
    plain_key_type: "ssh-rsa",
    signature: "rsa-sha2-512",
    certificate: false,
    host_key: true,
    key_fields: 2,
    verify: |key, message, signature| verify(&RSA_PKCS1_2048_8192_SHA512, key, message, signature),
};

/// RSA, PKCS#1 v1.5, with SHA-256.
pub(super) const SHA2_256: Algorithm = Algorithm {
    name: "rsa-sha2-256",
    signature: "rsa-sha2-256",
    verify: |key, message, signature| verify(&RSA_PKCS1_2048_8192_SHA256, key, message, signature),
    ..SHA2_512
};

/// RSA with SHA-512 and a certificate.
pub(super) const SHA2_512_CERTIFICATE: Algorithm = Algorithm {
    name: "rsa-sha2-512-cert-v01@openssh.com",
    key_type: "ssh-rsa-cert-v01@openssh.com",
    certificate: true,
    ..SHA2_512
};

/// RSA with SHA-256 and a certificate.
pub(super) const SHA2_256_CERTIFICATE: Algorithm = Algorithm {
    name: "rsa-sha2-256-cert-v01@openssh.com",
    key_type: "ssh-rsa-cert-v01@openssh.com",
    certificate: true,
    ..SHA2_256
};

fn verify(
    parameters: &'static RsaParameters,
    mut key: Reader<'_>,
    message: &[u8],
    signature: Reader<'_>,
) -> Result<(), SignatureError> {
    let exponent = positive(key_field(&mut key)?)?;
    let modulus = positive(key_field(&mut key)?)?;
    key_end(key)?;
    let n = digits(&modulus)?;
    if !(MIN_MODULUS_BITS..=MAX_MODULUS_BITS).contains(&bit_len(n)) {
        return Err(SignatureError::KeySize);
    }
    let signature = left_padded(sole_signature(signature)?, n.len())?;
    let key = RsaPublicKeyComponents { n, e: digits(&exponent)? };
    key.verify(parameters, message, &signature).map_err(|_| SignatureError::Invalid)
}

fn positive(mpint: &[u8]) -> Result<Mpint, SignatureError> {
    Mpint::from_bytes(mpint).map_err(|_| SignatureError::MalformedKey)
}

fn digits(number: &Mpint) -> Result<&[u8], SignatureError> {
    number.as_positive_bytes().ok_or(SignatureError::MalformedKey)
}

fn bit_len(digits: &[u8]) -> usize {
    let leading_zeros = digits.first().map_or(0, |byte| byte.leading_zeros() as usize);
    digits.len() * 8 - leading_zeros
}

/// The signature at the length of the modulus. RFC 4253 §6.6 calls it an integer without padding, so some
/// signers leave leading zeros out.
fn left_padded(signature: &[u8], modulus_len: usize) -> Result<Vec<u8>, SignatureError> {
    let padding = modulus_len.checked_sub(signature.len()).ok_or(SignatureError::MalformedSignature)?;
    let mut padded = vec![0; padding];
    padded.extend_from_slice(signature);
    Ok(padded)
}
