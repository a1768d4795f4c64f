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
