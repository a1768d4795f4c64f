//! Public keys that we are willing to meet: their types, their strength, their text form.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::pkcs8::EncodePublicKey as _;
use signature::Verifier as _;
use ssh_key::public::KeyData;
use ssh_key::{EcdsaCurve, HashAlg, Signature};

use crate::text::printable;
use crate::wire::{Malformed, Reader};

/// Fewest bits of an RSA modulus.
pub const MIN_RSA_BITS: usize = 2048;

/// Most bits of an RSA modulus; beyond it a verification costs too much for what an unknown peer may ask.
pub const MAX_RSA_BITS: usize = 8192;

/// Longest public key, as a blob, in bytes.
const MAX_KEY_BLOB: usize = 4096;

/// What stands before the key in the `SubjectPublicKeyInfo` of an Ed25519 key (RFC 8410 section 4).
const ED25519_SPKI: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A kind of key that may stand in a certificate: its plain name, the name of its certificates, and how many strings
/// make its public half.
pub(crate) struct KeyType {
    pub(crate) plain: &'static str,
    pub(crate) certificate: &'static str,
    pub(crate) strings: usize,
}

/// Every type that is accepted. DSA is not among them.
pub(crate) const KEY_TYPES: [KeyType; 7] = [
    KeyType { plain: "ssh-ed25519", certificate: "ssh-ed25519-cert-v01@openssh.com", strings: 1 },
    KeyType {
        plain: "ecdsa-sha2-nistp256",
        certificate: "ecdsa-sha2-nistp256-cert-v01@openssh.com",
        strings: 2,
    },
    KeyType {
        plain: "ecdsa-sha2-nistp384",
        certificate: "ecdsa-sha2-nistp384-cert-v01@openssh.com",
        strings: 2,
    },
    KeyType {
        plain: "ecdsa-sha2-nistp521",
        certificate: "ecdsa-sha2-nistp521-cert-v01@openssh.com",
        strings: 2,
    },
    KeyType { plain: "ssh-rsa", certificate: "ssh-rsa-cert-v01@openssh.com", strings: 2 },
    KeyType {
        plain: "sk-ssh-ed25519@openssh.com",
        certificate: "sk-ssh-ed25519-cert-v01@openssh.com",
        strings: 2,
    },
    KeyType {
        plain: "sk-ecdsa-sha2-nistp256@openssh.com",
        certificate: "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
        strings: 3,
    },
];

/// Whether an algorithm name is that of a certificate, of whatever version.
pub(crate) fn names_certificate(name: &[u8]) -> bool {
    const MARK: &[u8] = b"-cert-v";
    name.windows(MARK.len()).any(|window| window == MARK)
}

/// Why something is not a public key that we take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// The bytes are no public key, or go on after it.
    #[error("the public key is malformed")]
    Malformed,
    /// The text is not one line `TYPE BASE64 [COMMENT]`.
    #[error("expected one line of the form 'TYPE BASE64 [COMMENT]', as in a .pub file, without options")]
    NotALine,
    /// The text is a private key.
    #[error("this is a private key; give the public one (the .pub file)")]
    Private,
    /// It is a certificate.
    #[error("this is a certificate; give the plain public key")]
    Certificate,
    /// A type that is not accepted (DSA among them).
    #[error("public keys of type {name} are not accepted")]
    Unsupported {
        /// The type's name, escaped.
        name: String,
    },
    /// An RSA key of a size that is not accepted.
    #[error("RSA keys must have {MIN_RSA_BITS} to {MAX_RSA_BITS} bits; this one has {bits}")]
    RsaSize {
        /// Bits of its modulus.
        bits: usize,
    },
}

impl From<Malformed> for PublicKeyError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// A public key of an accepted type and strength. Two are equal when their blobs are.
#[derive(Clone)]
pub struct PublicKey {
    data: KeyData,
    blob: Vec<u8>,
}

impl PublicKey {
    /// Reads a key blob (RFC 4253 section 6.6). Nothing may follow it, and it must be in its one canonical form.
    pub fn from_blob(blob: &[u8]) -> Result<Self, PublicKeyError> {
        if blob.len() > MAX_KEY_BLOB {
            return Err(PublicKeyError::Malformed);
        }
        let name = Reader::new(blob).string()?;
        if names_certificate(name) {
            return Err(PublicKeyError::Certificate);
        }
        if !KEY_TYPES.iter().any(|known| known.plain.as_bytes() == name) {
            return Err(PublicKeyError::Unsupported { name: printable(name) });
        }
        let key = ssh_key::PublicKey::from_bytes(blob).map_err(|_| PublicKeyError::Malformed)?;
        let canonical = key.to_bytes().map_err(|_| PublicKeyError::Malformed)?;
        if canonical != blob {
            return Err(PublicKeyError::Malformed);
        }
        check_strength(key.key_data())?;
        Ok(Self { data: key.key_data().clone(), blob: canonical })
    }

    /// Reads one line of a `.pub` file: `TYPE BASE64 [COMMENT]`. The comment is dropped; options, a second line, a
    /// certificate or a private key are refused.
    pub fn from_line(text: &str) -> Result<Self, PublicKeyError> {
        if text.contains("PRIVATE KEY") {
            return Err(PublicKeyError::Private);
        }
        let line = text.strip_suffix('\n').unwrap_or(text);
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(PublicKeyError::NotALine);
        }
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some(base64)) = (words.next(), words.next()) else {
            return Err(PublicKeyError::NotALine);
        };
        let blob = STANDARD.decode(base64).map_err(|_| PublicKeyError::NotALine)?;
        let key = Self::from_blob(&blob)?;
        if key.type_name() == name { Ok(key) } else { Err(PublicKeyError::NotALine) }
    }

    /// Takes a key that `ssh-key` has made or read.
    pub fn from_key_data(data: &KeyData) -> Result<Self, PublicKeyError> {
        let blob =
            ssh_key::PublicKey::from(data.clone()).to_bytes().map_err(|_| PublicKeyError::Malformed)?;
        Self::from_blob(&blob)
    }

    /// The key as `ssh-key` has it.
    pub fn key_data(&self) -> &KeyData {
        &self.data
    }

    /// The key blob (RFC 4253 section 6.6).
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The key type's name, for example `ssh-ed25519`.
    pub fn type_name(&self) -> &'static str {
        let name = Reader::new(&self.blob).string().unwrap_or_default();
        KEY_TYPES.iter().find(|known| known.plain.as_bytes() == name).map_or("", |known| known.plain)
    }

    /// `SHA256:` and the unpadded base64 of the blob's digest, as OpenSSH prints it.
    pub fn fingerprint(&self) -> String {
        self.data.fingerprint(HashAlg::Sha256).to_string()
    }

    /// `TYPE BASE64`, as in a `.pub` file without comment.
    pub fn line(&self) -> String {
        format!("{} {}", self.type_name(), STANDARD.encode(&self.blob))
    }

    /// The key as a DER `SubjectPublicKeyInfo`, for X.509; only of types that our TLS clients have.
    pub fn subject_public_key_info(&self) -> Option<Vec<u8>> {
        match &self.data {
            KeyData::Ed25519(key) => Some([ED25519_SPKI, &key.0].concat()),
            KeyData::Ecdsa(key) if key.curve() == EcdsaCurve::NistP256 => {
                let key = p256::PublicKey::from_sec1_bytes(key.as_sec1_bytes()).ok()?;
                Some(key.to_public_key_der().ok()?.into_vec())
            }
            _ => None,
        }
    }

    /// Verifies a signature blob (RFC 4253 section 6.6) by this key over `message`.
    ///
    /// The signature's algorithm must be the one of this key's type; for RSA with SHA-2. Security keys are no signers
    /// of certificates and are refused.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let mut reader = Reader::new(signature);
        let name = reader.string()?;
        if !self.signature_names().iter().any(|allowed| allowed.as_bytes() == name) {
            return Err(SignatureError::Algorithm { name: printable(name) });
        }
        reader.string()?;
        reader.finish()?;
        let signature = Signature::try_from(signature).map_err(|_| SignatureError::Wrong)?;
        self.data.verify(message, &signature).map_err(|_| SignatureError::Wrong)
    }

    /// The signature algorithms that are allowed for this key.
    fn signature_names(&self) -> &'static [&'static str] {
        match &self.data {
            KeyData::Ed25519(_) => &["ssh-ed25519"],
            KeyData::Ecdsa(key) => match key.curve() {
                EcdsaCurve::NistP256 => &["ecdsa-sha2-nistp256"],
                EcdsaCurve::NistP384 => &["ecdsa-sha2-nistp384"],
                EcdsaCurve::NistP521 => &["ecdsa-sha2-nistp521"],
            },
            KeyData::Rsa(_) => &["rsa-sha2-256", "rsa-sha2-512"],
            _ => &[],
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.blob == other.blob
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())
    }
}

/// Why a signature is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SignatureError {
    /// Its algorithm is not allowed, or is not that of the key; the name is escaped.
    Algorithm { name: String },
    /// It is malformed, or made by another key or over other bytes.
    Wrong,
}

impl From<Malformed> for SignatureError {
    fn from(_: Malformed) -> Self {
        Self::Wrong
    }
}

fn check_strength(key: &KeyData) -> Result<(), PublicKeyError> {
    match key {
        KeyData::Rsa(rsa) => {
            let modulus = rsa.n.as_positive_bytes().ok_or(PublicKeyError::Malformed)?;
            let bits = bit_length(modulus);
            let exponent = rsa.e.as_positive_bytes().ok_or(PublicKeyError::Malformed)?;
            if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
                return Err(PublicKeyError::RsaSize { bits });
            }
            // An even exponent or e = 1 is no RSA key; OpenSSL's bound on e is 64 bits for moduli of this size.
            let sound =
                exponent.last().is_some_and(|byte| byte & 1 == 1) && exponent != [1] && exponent.len() <= 8;
            if sound { Ok(()) } else { Err(PublicKeyError::Malformed) }
        }
        KeyData::Ecdsa(point) => check_point(point.as_sec1_bytes()),
        KeyData::SkEcdsaSha2NistP256(key) => check_point(key.ec_point().as_bytes()),
        _ => Ok(()),
    }
}

/// SSH knows only the uncompressed form of a point (RFC 5656 section 3.1, which lets an implementation refuse others).
fn check_point(point: &[u8]) -> Result<(), PublicKeyError> {
    if point.first() == Some(&0x04) { Ok(()) } else { Err(PublicKeyError::Malformed) }
}

fn bit_length(bytes: &[u8]) -> usize {
    match bytes {
        [] => 0,
        [first, rest @ ..] => rest.len() * 8 + (8 - first.leading_zeros() as usize),
    }
}
