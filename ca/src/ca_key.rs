//! The private keys of the SSH certificate authorities, and keys made for one use.

use std::fmt;

use jiff::Timestamp;
use p256::SecretKey;
use rand_core::{OsRng, RngCore};
use serde::{Deserialize, Serialize};
use ssh_key::PrivateKey;
use ssh_key::private::{EcdsaKeypair, Ed25519Keypair, KeypairData};
use zeroize::Zeroizing;

use crate::kind::{CaKind, KeyAlgorithm};
use crate::public_key::PublicKey;
use crate::random::{self, RandomFailed};
use crate::sealing::{SealError, SealedSecret, SealingKey};

/// Bytes of the secret half: the seed of Ed25519 or the scalar of P-256.
const SECRET_LENGTH: usize = 32;

/// Why a CA key cannot be made, sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum CaKeyError {
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomFailed),
    /// The TLS CA has keys of its own form: [`TlsCa`](crate::TlsCa).
    #[error("the {0} CA has no SSH keys")]
    NotSsh(CaKind),
    /// Sealing or opening failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// What was sealed is not the private half of the public key that stands beside it.
    #[error("the stored {0} CA key is damaged: its private and public halves do not belong together")]
    Mismatch(CaKind),
}

/// The private key of the User, OpenSSH or Host CA. The secret is wiped when this is dropped and is never shown.
pub struct SshCaKey {
    kind: CaKind,
    algorithm: KeyAlgorithm,
    created: Timestamp,
    public: PublicKey,
    private: PrivateKey,
}

impl SshCaKey {
    /// Makes a new key.
    pub fn generate(kind: CaKind, algorithm: KeyAlgorithm, now: Timestamp) -> Result<Self, CaKeyError> {
        if kind == CaKind::Tls {
            return Err(CaKeyError::NotSsh(kind));
        }
        let private = generate_private_key(algorithm)?;
        Self::assemble(kind, algorithm, now, private)
    }

    /// Whose key this is.
    pub fn kind(&self) -> CaKind {
        self.kind
    }

    /// The key's algorithm.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// When it was made.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn private(&self) -> &PrivateKey {
        &self.private
    }

    /// The key in the form in which it may be stored.
    pub fn seal(&self, sealing: &SealingKey) -> Result<SealedCaKey, CaKeyError> {
        let secret = secret_bytes(&self.private).ok_or(CaKeyError::Mismatch(self.kind))?;
        let public = self.public.line();
        let secret = sealing.seal(&context(self.kind, &public), &*secret)?;
        let (kind, algorithm, created) = (self.kind, self.algorithm, self.created);
        Ok(SealedCaKey { kind, algorithm, created, public, secret })
    }

    fn assemble(
        kind: CaKind,
        algorithm: KeyAlgorithm,
        created: Timestamp,
        private: PrivateKey,
    ) -> Result<Self, CaKeyError> {
        let public = PublicKey::from_key_data(private.public_key().key_data())
            .map_err(|_| CaKeyError::Mismatch(kind))?;
        Ok(Self { kind, algorithm, created, public, private })
    }
}

impl fmt::Debug for SshCaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshCaKey")
            .field("kind", &self.kind)
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// A CA key as it is stored: the public half in clear, the private half sealed and bound to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedCaKey {
    /// Whose key this is.
    pub kind: CaKind,
    /// The key's algorithm.
    pub algorithm: KeyAlgorithm,
    /// When it was made.
    pub created: Timestamp,
    /// The public half: `TYPE BASE64`.
    pub public: String,
    secret: SealedSecret,
}

impl SealedCaKey {
    /// Opens the private half.
    pub fn open(&self, sealing: &SealingKey) -> Result<SshCaKey, CaKeyError> {
        let secret = sealing.open(&context(self.kind, &self.public), &self.secret)?;
        let secret = <&[u8; SECRET_LENGTH]>::try_from(secret.as_slice());
        let private = secret.ok().and_then(|secret| private_key(self.algorithm, secret));
        let private = private.ok_or(CaKeyError::Mismatch(self.kind))?;
        let key = SshCaKey::assemble(self.kind, self.algorithm, self.created, private)?;
        if key.public.line() == self.public { Ok(key) } else { Err(CaKeyError::Mismatch(self.kind)) }
    }
}

/// What the sealed secret is bound to: it opens only as the key that it was sealed as.
fn context(kind: CaKind, public: &str) -> String {
    format!("mezite ca key {kind} {public}")
}

/// Makes a private key of the operating system's randomness.
pub(crate) fn generate_private_key(algorithm: KeyAlgorithm) -> Result<PrivateKey, RandomFailed> {
    generate_private_key_from(algorithm, &mut OsRng)
}

fn generate_private_key_from(
    algorithm: KeyAlgorithm,
    source: &mut dyn RngCore,
) -> Result<PrivateKey, RandomFailed> {
    // A P-256 scalar is out of range once in 2^32 tries; a source that never gives one in range is broken.
    for _ in 0..8 {
        let secret = random::bytes_from::<SECRET_LENGTH>(source)?;
        if let Some(key) = private_key(algorithm, &secret) {
            return Ok(key);
        }
    }
    Err(RandomFailed)
}

fn private_key(algorithm: KeyAlgorithm, secret: &[u8; SECRET_LENGTH]) -> Option<PrivateKey> {
    Some(match algorithm {
        KeyAlgorithm::Ed25519 => Ed25519Keypair::from_seed(secret).into(),
        KeyAlgorithm::P256 => {
            let secret = SecretKey::from_slice(secret).ok()?;
            let public = secret.public_key().into();
            EcdsaKeypair::NistP256 { private: secret.into(), public }.into()
        }
    })
}

fn secret_bytes(key: &PrivateKey) -> Option<Zeroizing<[u8; SECRET_LENGTH]>> {
    match key.key_data() {
        KeypairData::Ed25519(pair) => Some(Zeroizing::new(pair.private.to_bytes())),
        KeypairData::Ecdsa(EcdsaKeypair::NistP256 { private, .. }) => {
            private.as_slice().try_into().ok().map(Zeroizing::new)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use p256::elliptic_curve::ops::{Invert as _, Reduce};
    use p256::{FieldBytes, Scalar, U256};
    use sha2::{Digest as _, Sha256};
    use signature::Signer as _;

    use super::*;

    const ROUNDS: u32 = 10_000;

    /// The nonce that a signature was made with, found with the secret key: k = (h + r·d) / s.
    fn nonce(secret: &Scalar, message: &[u8], signature: &p256::ecdsa::Signature) -> Scalar {
        let hash = <Scalar as Reduce<U256>>::reduce_bytes(&Sha256::digest(message));
        let (r, s) = signature.split_scalars();
        (hash + *r * secret) * *s.invert()
    }

    /// Signs the numbers as messages; gives of each signature its r and the top bits of its nonce.
    fn sign_each(messages: std::ops::Range<u32>) -> Vec<(FieldBytes, u16)> {
        let seed = [7; SECRET_LENGTH];
        let key = private_key(KeyAlgorithm::P256, &seed).unwrap();
        let secret = <Scalar as Reduce<U256>>::reduce_bytes(FieldBytes::from_slice(&seed));
        let sign = |message: u32| {
            let message = message.to_be_bytes();
            let signature = p256::ecdsa::Signature::try_from(&key.try_sign(&message).unwrap()).unwrap();
            let nonce = nonce(&secret, &message, &signature).to_bytes();
            (signature.r().to_bytes(), u16::from_be_bytes([nonce[0], nonce[1]]))
        };
        messages.map(sign).collect()
    }

    #[test]
    fn hostile_033_ecdsa_nonces_are_neither_biased_nor_repeated() {
        let other_half = std::thread::spawn(|| sign_each(ROUNDS / 2..ROUNDS));
        let mut signed = sign_each(0..ROUNDS / 2);
        signed.extend(other_half.join().unwrap());
        let distinct: HashSet<_> = signed.iter().map(|(r, _)| r).collect();
        assert_eq!(distinct.len(), signed.len(), "an r is repeated");
        // Half of the nonces have each of the top bits, within six standard deviations (50 each).
        for bit in 0..16 {
            let set = signed.iter().filter(|(_, top)| top >> bit & 1 == 1).count();
            assert!(set.abs_diff(signed.len() / 2) < 300, "bit {} of the nonce: {set}", 240 + bit);
        }
    }

    #[test]
    fn hostile_033_the_same_message_gives_the_same_signature() {
        // RFC 6979: the nonce comes from key and message, so that a process that is resumed twice from one snapshot
        // cannot use a nonce for two messages.
        for algorithm in [KeyAlgorithm::Ed25519, KeyAlgorithm::P256] {
            let key = private_key(algorithm, &[7; SECRET_LENGTH]).unwrap();
            let sign = |message: &[u8]| key.try_sign(message).unwrap();
            assert_eq!(sign(b"one"), sign(b"one"));
            assert_ne!(sign(b"one"), sign(b"two"));
        }
    }

    /// A source that gives nothing, and must not be asked in a way that cannot fail.
    struct NoRandomness;

    impl RngCore for NoRandomness {
        fn next_u32(&mut self) -> u32 {
            unreachable!("asked in a way that cannot report failure")
        }

        fn next_u64(&mut self) -> u64 {
            unreachable!("asked in a way that cannot report failure")
        }

        fn fill_bytes(&mut self, _: &mut [u8]) {
            unreachable!("asked in a way that cannot report failure")
        }

        fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), rand_core::Error> {
            Err(rand_core::Error::from(std::num::NonZeroU32::MIN))
        }
    }

    /// A source that is stuck at one byte.
    struct Stuck(u8);

    impl RngCore for Stuck {
        fn next_u32(&mut self) -> u32 {
            u32::from_ne_bytes([self.0; 4])
        }

        fn next_u64(&mut self) -> u64 {
            u64::from_ne_bytes([self.0; 8])
        }

        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
            self.fill_bytes(bytes);
            Ok(())
        }
    }

    #[test]
    fn hostile_033_without_randomness_there_is_no_key() {
        for algorithm in [KeyAlgorithm::Ed25519, KeyAlgorithm::P256] {
            assert_eq!(generate_private_key_from(algorithm, &mut NoRandomness).unwrap_err(), RandomFailed);
        }
        // Zero and values beyond the group's order are no P-256 keys; it does not look for one for ever.
        for byte in [0, 0xff] {
            let key = generate_private_key_from(KeyAlgorithm::P256, &mut Stuck(byte));
            assert_eq!(key.unwrap_err(), RandomFailed);
        }
    }
}
