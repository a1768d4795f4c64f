//! Secrets at rest: sealed with XChaCha20-Poly1305, under a key from a passphrase or from a key file.

use std::fmt;
use std::path::PathBuf;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::key_file::{self, KeyFileError};
use crate::random::{self, RandomFailed};

/// Bytes of a sealing key.
pub(crate) const KEY_LENGTH: usize = 32;
/// Bytes of an `XChaCha20` nonce: long enough to be random.
const NONCE_LENGTH: usize = 24;
/// What the check secret of a [`SealRecord`] says.
const CHECK: &[u8] = b"mezite seal";
const CHECK_CONTEXT: &str = "mezite seal check";

/// Why sealing or opening failed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The passphrase is not the one that the store was sealed with.
    #[error("wrong passphrase: it does not open this store's keys")]
    WrongPassphrase,
    /// The key file is not the one that the store was sealed with.
    #[error("wrong key file: it does not open this store's keys")]
    WrongKeyFile,
    /// The store was sealed in another way than the one that is given now.
    #[error("this store's keys are sealed by {stored}, but {given} is given")]
    OtherMethod {
        /// How the store is sealed.
        stored: &'static str,
        /// What was given.
        given: &'static str,
    },
    /// The passphrase is empty.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// A sealed secret does not open: it is damaged, was moved, or was sealed by another key.
    #[error("a stored secret does not open: it is damaged or was sealed with another key")]
    Damaged,
    /// A secret that is not sealed, in a store that seals: somebody put it there.
    #[error("a stored secret is not sealed, but this store seals its secrets")]
    NotSealed,
    /// Stored Argon2 parameters that are out of bounds.
    #[error("the stored passphrase parameters are out of bounds")]
    Parameters,
    /// The key file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

/// A passphrase, wiped when dropped and never shown.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase as it is; one line end at its end, as files have it, is dropped.
    pub fn new(text: String) -> Result<Self, SealError> {
        let mut text = Zeroizing::new(text);
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        if text.is_empty() { Err(SealError::EmptyPassphrase) } else { Ok(Self(text)) }
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// Where the sealing key comes from.
#[derive(Debug)]
pub enum SealSource {
    /// Argon2id of a passphrase.
    Passphrase(Passphrase),
    /// A key file: see [`create_key_file`](crate::create_key_file).
    KeyFile(PathBuf),
    /// Nothing is sealed. Only where it was asked for.
    Unsealed,
}

impl SealSource {
    fn name(&self) -> &'static str {
        match self {
            Self::Passphrase(_) => "a passphrase",
            Self::KeyFile(_) => "a key file",
            Self::Unsealed => "nothing (unsealed)",
        }
    }
}

/// How a store is sealed: stored beside the sealed secrets, in clear. It says how the key is found again, and tells a
/// wrong passphrase from a damaged secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealRecord {
    method: SealMethod,
    check: SealedSecret,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SealMethod {
    Passphrase(PassphraseParameters),
    KeyFile,
    Unsealed,
}

impl SealMethod {
    fn name(&self) -> &'static str {
        match self {
            Self::Passphrase(_) => "a passphrase",
            Self::KeyFile => "a key file",
            Self::Unsealed => "nothing (unsealed)",
        }
    }
}

impl SealRecord {
    /// Seals a new store: derives or reads the key, and makes the record to be stored.
    pub fn create(source: &SealSource) -> Result<(SealingKey, Self), SealError> {
        let (key, method) = match source {
            SealSource::Passphrase(passphrase) => {
                let parameters = PassphraseParameters::fresh()?;
                (parameters.derive(passphrase)?, SealMethod::Passphrase(parameters))
            }
            SealSource::KeyFile(path) => (SealingKey::from_key_file(path)?, SealMethod::KeyFile),
            SealSource::Unsealed => (SealingKey::unsealed(), SealMethod::Unsealed),
        };
        let check = key.seal(CHECK_CONTEXT, CHECK)?;
        Ok((key, Self { method, check }))
    }

    /// Finds the key of a store that was sealed before.
    pub fn open(&self, source: &SealSource) -> Result<SealingKey, SealError> {
        let (key, wrong) = match (&self.method, source) {
            (SealMethod::Passphrase(parameters), SealSource::Passphrase(passphrase)) => {
                (parameters.derive(passphrase)?, SealError::WrongPassphrase)
            }
            (SealMethod::KeyFile, SealSource::KeyFile(path)) => {
                (SealingKey::from_key_file(path)?, SealError::WrongKeyFile)
            }
            (SealMethod::Unsealed, SealSource::Unsealed) => (SealingKey::unsealed(), SealError::Damaged),
            (method, source) => {
                return Err(SealError::OtherMethod { stored: method.name(), given: source.name() });
            }
        };
        match key.open(CHECK_CONTEXT, &self.check) {
            Ok(check) if *check == CHECK => Ok(key),
            _ => Err(wrong),
        }
    }

    /// Whether the store's secrets lie open.
    pub fn is_unsealed(&self) -> bool {
        self.method == SealMethod::Unsealed
    }
}

/// Argon2id's salt and cost (RFC 9106).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PassphraseParameters {
    #[serde(with = "base64_bytes")]
    salt: Vec<u8>,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl PassphraseParameters {
    /// A fresh salt and OWASP's cost: 19 MiB, two passes, one lane.
    fn fresh() -> Result<Self, RandomFailed> {
        let salt = random::bytes::<16>()?.to_vec();
        Ok(Self { salt, memory_kib: 19 * 1024, passes: 2, lanes: 1 })
    }

    fn derive(&self, passphrase: &Passphrase) -> Result<SealingKey, SealError> {
        // Bounds so that a damaged record costs neither all memory nor all day.
        let bounded = self.memory_kib <= 1024 * 1024 && self.passes <= 64 && self.lanes <= 16;
        if !bounded {
            return Err(SealError::Parameters);
        }
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(KEY_LENGTH))
            .map_err(|_| SealError::Parameters)?;
        let mut key = Zeroizing::new([0; KEY_LENGTH]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.0.as_bytes(), &self.salt, &mut *key)
            .map_err(|_| SealError::Parameters)?;
        Ok(SealingKey(Some(key)))
    }
}

/// The key under which secrets are sealed. Wiped when dropped, never shown.
pub struct SealingKey(Option<Zeroizing<[u8; KEY_LENGTH]>>);

impl SealingKey {
    /// Reads a key file. See [`KeyFileError`] for what is refused.
    pub fn from_key_file(path: &std::path::Path) -> Result<Self, KeyFileError> {
        Ok(Self(Some(key_file::read(path)?)))
    }

    /// No key: secrets are stored as they are.
    pub fn unsealed() -> Self {
        Self(None)
    }

    /// Seals a secret. It opens only with the same `context`, which says what it is.
    pub fn seal(&self, context: &str, secret: &[u8]) -> Result<SealedSecret, SealError> {
        let Some(key) = &self.0 else { return Ok(SealedSecret::Plain { secret: secret.to_vec() }) };
        let nonce = *random::bytes::<NONCE_LENGTH>()?;
        let payload = Payload { msg: secret, aad: context.as_bytes() };
        let ciphertext = XChaCha20Poly1305::new((&**key).into())
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| SealError::Damaged)?;
        Ok(SealedSecret::XChaCha20Poly1305 { nonce: nonce.to_vec(), ciphertext })
    }

    /// Opens what [`Self::seal`] sealed with the same context.
    pub fn open(&self, context: &str, sealed: &SealedSecret) -> Result<Zeroizing<Vec<u8>>, SealError> {
        match (&self.0, sealed) {
            (None, SealedSecret::Plain { secret }) => Ok(Zeroizing::new(secret.clone())),
            (Some(_), SealedSecret::Plain { .. }) => Err(SealError::NotSealed),
            (None, SealedSecret::XChaCha20Poly1305 { .. }) => Err(SealError::Damaged),
            (Some(key), SealedSecret::XChaCha20Poly1305 { nonce, ciphertext }) => {
                let nonce =
                    <&[u8; NONCE_LENGTH]>::try_from(nonce.as_slice()).map_err(|_| SealError::Damaged)?;
                let payload = Payload { msg: ciphertext, aad: context.as_bytes() };
                XChaCha20Poly1305::new((&**key).into())
                    .decrypt(nonce.into(), payload)
                    .map(Zeroizing::new)
                    .map_err(|_| SealError::Damaged)
            }
        }
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "SealingKey(…)" } else { "SealingKey(unsealed)" })
    }
}

/// A secret in the form in which it is stored. The open form is another type.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "seal")]
pub enum SealedSecret {
    /// Sealed; the context is authenticated with it.
    #[serde(rename = "xchacha20poly1305")]
    XChaCha20Poly1305 {
        /// The nonce, 24 random bytes.
        #[serde(with = "base64_bytes")]
        nonce: Vec<u8>,
        /// The ciphertext and its tag.
        #[serde(with = "base64_bytes")]
        ciphertext: Vec<u8>,
    },
    /// Not sealed: only in a store that was made unsealed on request.
    #[serde(rename = "none")]
    Plain {
        /// The secret itself.
        #[serde(with = "base64_bytes")]
        secret: Vec<u8>,
    },
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedSecret(…)")
    }
}

impl Drop for SealedSecret {
    fn drop(&mut self) {
        if let Self::Plain { secret } = self {
            zeroize::Zeroize::zeroize(secret);
        }
    }
}

/// Bytes as base64 in JSON.
mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map_err(|_| D::Error::custom("not base64"))
    }
}
