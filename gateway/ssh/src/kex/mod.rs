//! Key exchange methods: one file a method, one list of them here.
//!
//! In all of them the client speaks first: its ephemeral public value, the server's in return, and both
//! compute the same shared secret. Hashing, signing and deriving keys is the transport's part. The hash is
//! SHA-256 in every method.

mod curve25519;
mod group14;
mod mlkem768x25519;
mod nistp256;

#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::random;

/// Why a key exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KexError {
    /// The peer's public value has the wrong length or form, is not on the curve or in the group, or makes a
    /// shared secret that anybody could know.
    #[error("the peer's key exchange value is not valid")]
    PeerValue,
    /// This side could not make its own ephemeral key.
    #[error("no ephemeral key could be made")]
    Ephemeral,
}

type Finish = Box<dyn FnOnce(&[u8]) -> Result<SharedSecret, KexError> + Send>;
type Start = fn() -> Result<Initiator, KexError>;
type Respond = fn(&[u8]) -> Result<(Vec<u8>, SharedSecret), KexError>;

/// A key exchange method as it is negotiated in KEXINIT.
#[derive(Debug)]
pub struct Method {
    /// Its name in KEXINIT.
    pub name: &'static str,
    start: Start,
    respond: Respond,
}

/// The methods, most preferred first.
pub static METHODS: &[Method] = &[
    mlkem768x25519::MLKEM768X25519_SHA256,
    curve25519::CURVE25519_SHA256,
    curve25519::CURVE25519_SHA256_LIBSSH,
    nistp256::ECDH_SHA2_NISTP256,
    group14::DIFFIE_HELLMAN_GROUP14_SHA256,
];

/// The method that has this name in KEXINIT.
pub fn by_name(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

impl Method {
    /// The client's side: makes an ephemeral key.
    ///
    /// # Errors
    /// [`KexError::Ephemeral`].
    pub fn start(&self) -> Result<Initiator, KexError> {
        (self.start)()
    }

    /// The server's side: takes the client's public value (the content of its field, without the length
    /// prefix), gives the server's public field (with its length prefix, as it stands in the reply and in the
    /// exchange hash) and the shared secret.
    ///
    /// # Errors
    /// [`KexError::PeerValue`] for a value that must not be used, [`KexError::Ephemeral`].
    pub fn respond(&self, client_public: &[u8]) -> Result<(Vec<u8>, SharedSecret), KexError> {
        (self.respond)(client_public)
    }
}

/// The client's ephemeral key, waiting for the server's public value.
pub struct Initiator {
    public: Vec<u8>,
    finish: Finish,
}

impl Initiator {
    /// The client's public field, with its length prefix, as it stands in the message and in the exchange
    /// hash.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The shared secret, made with the server's public value (the content of its field, without the length
    /// prefix).
    ///
    /// # Errors
    /// [`KexError::PeerValue`] for a value that must not be used.
    pub fn finish(self, server_public: &[u8]) -> Result<SharedSecret, KexError> {
        (self.finish)(server_public)
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Initiator").finish_non_exhaustive()
    }
}

/// The secret K that both sides share, encoded as it enters the exchange hash and the derivation of keys: an
/// mpint, or a string for `mlkem768x25519-sha256`. Wiped when dropped.
pub struct SharedSecret(Zeroizing<Vec<u8>>);

impl SharedSecret {
    /// The encoded secret, with its length prefix.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    fn from_string(secret: &[u8]) -> Self {
        Self(Zeroizing::new(encode_string(secret)))
    }

    fn from_mpint(secret: &[u8]) -> Self {
        Self(Zeroizing::new(encode_mpint(secret)))
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// An SSH string (RFC 4251 §5). What is encoded here is never longer than a few kilobytes.
fn encode_string(content: &[u8]) -> Vec<u8> {
    encode_parts(&[], content)
}

/// An SSH mpint (RFC 4251 §5) of an unsigned big-endian number.
fn encode_mpint(number: &[u8]) -> Vec<u8> {
    let leading_zeros = number.iter().take_while(|&&byte| byte == 0).count();
    let digits = number.get(leading_zeros..).unwrap_or_default();
    let sign: &[u8] = if digits.first().is_some_and(|&byte| byte >= 0x80) { &[0] } else { &[] };
    encode_parts(sign, digits)
}

/// One allocation of the right size, so that no copy of a secret is left behind by a growing vector.
fn encode_parts(sign: &[u8], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(sign.len() + content.len()).unwrap_or(u32::MAX);
    let mut encoded = Vec::with_capacity(4 + sign.len() + content.len());
    encoded.extend_from_slice(&length.to_be_bytes());
    encoded.extend_from_slice(sign);
    encoded.extend_from_slice(content);
    encoded
}

/// A fresh ephemeral key on an elliptic curve and its public value.
fn ephemeral(curve: &'static agreement::Algorithm) -> Result<(PrivateKey, agreement::PublicKey), KexError> {
    let private = random::private_key(curve).map_err(|_| KexError::Ephemeral)?;
    let public = private.compute_public_key().map_err(|_| KexError::Ephemeral)?;
    Ok((private, public))
}

/// The raw shared secret of an elliptic curve exchange. The provider refuses points off the curve and an
/// X25519 result of zero; the length is checked here because it would also take other encodings of a key.
#[expect(clippy::needless_pass_by_value, reason = "an ephemeral key is used once")]
fn agree(
    curve: &'static agreement::Algorithm,
    private: PrivateKey,
    peer_public: &[u8],
    public_len: usize,
) -> Result<Zeroizing<Vec<u8>>, KexError> {
    if peer_public.len() != public_len {
        return Err(KexError::PeerValue);
    }
    let peer_public = UnparsedPublicKey::new(curve, peer_public);
    agreement::agree(&private, peer_public, KexError::PeerValue, |secret| Ok(Zeroizing::new(secret.to_vec())))
}
