//! Public keys and signatures, of hosts and of users: one file an algorithm, one list of them here.
//!
//! A key or certificate is handled as the blob that travels (`string type ‖ fields`). Which certificates are
//! trusted is not decided here; a certificate counts as the key that it certifies.

mod ecdsa;
mod ed25519;
mod key_pair;
mod rsa;
mod security_key;

#[cfg(test)]
mod tests;

pub use key_pair::{KeyPair, KeyPairError, SignError, Signer};

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::wire::{Reader, Writer};

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// The algorithm is not one of [`ALGORITHMS`].
    #[error("the signature algorithm is unknown or not allowed")]
    UnknownAlgorithm,
    /// The key blob cannot be read as a key of its type.
    #[error("the public key is malformed")]
    MalformedKey,
    /// The key blob is not of the type that the algorithm signs with.
    #[error("the public key is not of the type that the signature algorithm takes")]
    KeyType,
    /// The RSA modulus is shorter than 2048 bits, or longer than 8192.
    #[error("the RSA key has a size that is not allowed")]
    KeySize,
    /// The signature blob cannot be read, or has bytes left over.
    #[error("the signature is malformed")]
    MalformedSignature,
    /// The signature blob names another algorithm than the one agreed on.
    #[error("the signature names another algorithm")]
    SignatureName,
    /// A security key signed without anybody touching it.
    #[error("the security key was not touched")]
    NotPresent,
    /// The signature was not made by this key over this message.
    #[error("the signature is not valid")]
    Invalid,
}

type Verify = fn(Reader<'_>, &[u8], Reader<'_>) -> Result<(), SignatureError>;

/// A signature algorithm, as it is named in KEXINIT, in a user's request and in `server-sig-algs`.
#[derive(Debug)]
pub struct Algorithm {
    /// Its name.
    pub name: &'static str,
    /// The type name that begins the blob of a key or certificate which this algorithm goes with.
    pub key_type: &'static str,
    /// The type name of the plain key: `key_type`, unless that is a certificate's.
    pub plain_key_type: &'static str,
    /// The name that must stand in the signature blob.
    pub signature: &'static str,
    /// The key is shown inside a certificate.
    pub certificate: bool,
    /// A host may prove itself with it.
    pub host_key: bool,
    /// How many fields, strings or mpints, the key has behind its type name.
    key_fields: usize,
    /// Takes the key's fields, the message, and the signature blob behind its name.
    verify: Verify,
}

/// The signature algorithms, most preferred first. `ssh-rsa` (SHA-1) and `ssh-dss` are not among them.
pub static ALGORITHMS: &[Algorithm] = &[
    ed25519::CERTIFICATE,
    ecdsa::NISTP256_CERTIFICATE,
    ecdsa::NISTP384_CERTIFICATE,
    ecdsa::NISTP521_CERTIFICATE,
    security_key::ED25519_CERTIFICATE,
    security_key::NISTP256_CERTIFICATE,
    rsa::SHA2_512_CERTIFICATE,
    rsa::SHA2_256_CERTIFICATE,
    ed25519::PLAIN,
    ecdsa::NISTP256,
    ecdsa::NISTP384,
    ecdsa::NISTP521,
    security_key::ED25519,
    security_key::NISTP256,
    rsa::SHA2_512,
    rsa::SHA2_256,
];

/// The signature algorithm of this name.
pub fn by_name(name: &str) -> Option<&'static Algorithm> {
    ALGORITHMS.iter().find(|algorithm| algorithm.name == name)
}

/// Whether this is the name of an algorithm that we know and that goes with a certificate.
pub fn is_certificate(name: &str) -> bool {
    by_name(name).is_some_and(|algorithm| algorithm.certificate)
}

/// The type name that begins a key or certificate blob; it may be one that we do not know.
///
/// # Errors
/// [`SignatureError::MalformedKey`] when the blob does not begin with a text.
pub fn key_blob_type(key_blob: &[u8]) -> Result<&str, SignatureError> {
    Reader::new(key_blob).text().map_err(|_| SignatureError::MalformedKey)
}

/// The plain key of a blob: the blob itself, or the key that a certificate of a known type certifies. Two
/// blobs are of the same key when their plain keys are equal.
///
/// # Errors
/// [`SignatureError::MalformedKey`] when the blob has no type name or a certificate ends within its key.
pub fn plain_key_blob(key_blob: &[u8]) -> Result<Cow<'_, [u8]>, SignatureError> {
    let key_type = key_blob_type(key_blob)?;
    match ALGORITHMS.iter().find(|algorithm| algorithm.key_type == key_type) {
        Some(algorithm) if algorithm.certificate => {
            let mut key = Vec::with_capacity(key_blob.len());
            key.string(algorithm.plain_key_type);
            certified_fields(key_blob, algorithm.key_fields, &mut key).ok_or(SignatureError::MalformedKey)?;
            Ok(Cow::Owned(key))
        }
        _ => Ok(Cow::Borrowed(key_blob)),
    }
}

/// Copies the fields of the certified key, which follow the type name and the nonce (PROTOCOL.certkeys).
fn certified_fields(certificate: &[u8], fields: usize, key: &mut Vec<u8>) -> Option<()> {
    let mut reader = Reader::new(certificate);
    let (_type, _nonce) = (reader.string().ok()?, reader.string().ok()?);
    for _ in 0..fields {
        key.string(reader.string().ok()?);
    }
    Some(())
}

/// The fingerprint that OpenSSH shows, `SHA256:…`; that of a certificate is its plain key's.
pub fn fingerprint(key_blob: &[u8]) -> String {
    let plain = plain_key_blob(key_blob).unwrap_or(Cow::Borrowed(key_blob));
    ssh_key::Fingerprint::Sha256(Sha256::digest(plain).into()).to_string()
}

/// Checks that the holder of a key signed a message. The algorithm, the type of the key (or certificate) and
/// the name in the signature blob must agree, and nothing may be left over.
///
/// # Errors
/// See [`SignatureError`]. Every one of them means: not signed.
pub fn verify(
    algorithm: &str,
    key_blob: &[u8],
    message: &[u8],
    signature_blob: &[u8],
) -> Result<(), SignatureError> {
    let algorithm = by_name(algorithm).ok_or(SignatureError::UnknownAlgorithm)?;
    if key_blob_type(key_blob)? != algorithm.key_type {
        return Err(SignatureError::KeyType);
    }
    let key = plain_key_blob(key_blob)?;
    let mut key = Reader::new(&key);
    key.string().map_err(|_| SignatureError::MalformedKey)?;

    let mut signature = Reader::new(signature_blob);
    let name = signature.string().map_err(|_| SignatureError::MalformedSignature)?;
    if name != algorithm.signature.as_bytes() {
        return Err(SignatureError::SignatureName);
    }
    (algorithm.verify)(key, message, signature)
}

/// The next field of a key.
fn key_field<'a>(key: &mut Reader<'a>) -> Result<&'a [u8], SignatureError> {
    key.string().map_err(|_| SignatureError::MalformedKey)
}

/// Refuses a key with bytes left over.
fn key_end(key: Reader<'_>) -> Result<(), SignatureError> {
    key.end().map_err(|_| SignatureError::MalformedKey)
}

/// The signature itself, when the blob holds nothing behind it.
fn sole_signature(mut signature: Reader<'_>) -> Result<&[u8], SignatureError> {
    let content = signature.string().map_err(|_| SignatureError::MalformedSignature)?;
    signature.end().map_err(|_| SignatureError::MalformedSignature)?;
    Ok(content)
}
