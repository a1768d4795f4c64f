//! `mlkem768x25519-sha256` (draft-ietf-sshm-mlkem-hybrid-kex): ML-KEM-768 beside X25519, safe while either
//! is.
//!
//! The client sends `encapsulation key ‖ X25519 value`, the server `ciphertext ‖ X25519 value`. The shared
//! secret is `SHA-256(ML-KEM secret ‖ X25519 secret)`, encoded as a string.

use aws_lc_rs::agreement::X25519;
use aws_lc_rs::kem::{DecapsulationKey, EncapsulationKey, ML_KEM_768};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::curve25519::PUBLIC_LEN as X25519_LEN;
use super::{Initiator, KexError, Method, SharedSecret, agree, encode_string, ephemeral};

/// Length of an ML-KEM-768 encapsulation key, in bytes (FIPS 203, table 3).
const ENCAPSULATION_KEY_LEN: usize = 1184;
/// Length of an ML-KEM-768 ciphertext, in bytes (FIPS 203, table 3).
const CIPHERTEXT_LEN: usize = 1088;

/// ML-KEM-768 and X25519 with SHA-256.
pub(super) const MLKEM768X25519_SHA256: Method = Method { name: "mlkem768x25519-sha256", start, respond };

fn start() -> Result<Initiator, KexError> {
    let decapsulation_key = DecapsulationKey::generate(&ML_KEM_768).map_err(|_| KexError::Ephemeral)?;
    let encapsulation_key = decapsulation_key
        .encapsulation_key()
        .and_then(|key| key.key_bytes())
        .map_err(|_| KexError::Ephemeral)?;
    let (private, public) = ephemeral(&X25519)?;
    Ok(Initiator {
        public: encode_string(&[encapsulation_key.as_ref(), public.as_ref()].concat()),
        finish: Box::new(move |server_public| {
            let (ciphertext, server_x25519) = split(server_public, CIPHERTEXT_LEN)?;
            let kem_secret =
                decapsulation_key.decapsulate(ciphertext.into()).map_err(|_| KexError::PeerValue)?;
            let x25519_secret = agree(&X25519, private, server_x25519, X25519_LEN)?;
            Ok(combine(kem_secret.as_ref(), &x25519_secret))
        }),
    })
}

fn respond(client_public: &[u8]) -> Result<(Vec<u8>, SharedSecret), KexError> {
    let (encapsulation_key, client_x25519) = split(client_public, ENCAPSULATION_KEY_LEN)?;
    let (private, public) = ephemeral(&X25519)?;
    let x25519_secret = agree(&X25519, private, client_x25519, X25519_LEN)?;
    let (ciphertext, kem_secret) = EncapsulationKey::new(&ML_KEM_768, encapsulation_key)
        .map_err(|_| KexError::PeerValue)?
        .encapsulate()
        .map_err(|_| KexError::PeerValue)?;
    Ok((
        encode_string(&[ciphertext.as_ref(), public.as_ref()].concat()),
        combine(kem_secret.as_ref(), &x25519_secret),
    ))
}

/// The ML-KEM part and the X25519 part of a public value.
fn split(public: &[u8], kem_len: usize) -> Result<(&[u8], &[u8]), KexError> {
    public.split_at_checked(kem_len).ok_or(KexError::PeerValue)
}

fn combine(kem_secret: &[u8], x25519_secret: &[u8]) -> SharedSecret {
    let mut hash = Sha256::new();
    hash.update(kem_secret);
    hash.update(x25519_secret);
    let combined = Zeroizing::new(<[u8; 32]>::from(hash.finalize()));
    SharedSecret::from_string(combined.as_slice())
}
