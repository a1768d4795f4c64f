//! Public keys in OpenSSH's one-line format: pinned host keys, and the keys that certificates are asked for.

use std::fmt;

use ssh_key::public::{KeyData, RsaPublicKey};
use ssh_key::{Fingerprint, HashAlg, PublicKey};

use crate::Invalid;
use crate::text::serde_as_text;

/// The longest line that is looked at; an RSA key of 16384 bits is under 3 KiB.
const MAX_LINE_BYTES: usize = 8 * 1024;
/// RSA keys shorter than this are refused (semantics section 4).
const MIN_RSA_BITS: usize = 2048;
const MAX_RSA_BITS: usize = 16_384;

/// The pinned key of a node's sshd: Ed25519, ECDSA P-256/384/521, or RSA of at least 2048 bits. Kept without
/// its comment. Errors name the field `host_keys` and never quote what was given.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostKey(KeyData);

impl HostKey {
    /// Reads one line `TYPE BASE64 [COMMENT]`, with at most one line feed at its end.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let key = parse_line(text).map_err(|reason| Invalid::new("host_keys", reason))?;
        match key {
            KeyData::Ed25519(_) | KeyData::Ecdsa(_) | KeyData::Rsa(_) => Ok(Self(key)),
            _ => Err(Invalid::new("host_keys", "must be of type Ed25519, ECDSA or RSA")),
        }
    }

    /// The key that a peer showed, from its blob (RFC 4253 section 6.6).
    pub fn from_key_data(key: KeyData) -> Result<Self, Invalid> {
        let line = PublicKey::from(key).to_openssh();
        Self::parse(&line.map_err(|_| Invalid::new("host_keys", "cannot be written"))?)
    }

    /// The key itself.
    pub fn key_data(&self) -> &KeyData {
        &self.0
    }

    /// `SHA256:…` as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint(HashAlg::Sha256)
    }
}

/// The key that a user certificate is asked for; of the types of [`HostKey`], or kept in a security key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey(KeyData);

impl UserKey {
    /// Reads one line `TYPE BASE64 [COMMENT]`, with at most one line feed at its end.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        parse_line(text).map(Self).map_err(|reason| Invalid::new("public_key", reason))
    }

    /// The key itself.
    pub fn key_data(&self) -> &KeyData {
        &self.0
    }

    /// `SHA256:…` as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint(HashAlg::Sha256)
    }
}

/// The key of one line, or what is wrong with it. Nothing of the line is repeated in the reason.
fn parse_line(text: &str) -> Result<KeyData, &'static str> {
    if text.contains("PRIVATE KEY") {
        return Err("is a private key; give the public one (the file that ends in .pub)");
    }
    if text.len() > MAX_LINE_BYTES {
        return Err("is too long for a public key");
    }
    let line = text.strip_suffix('\n').unwrap_or(text);
    if line.contains('\r') {
        return Err("has carriage returns; save it with Unix line ends");
    }
    if line.contains('\n') {
        return Err("must be one line; give several keys one by one");
    }
    let algorithm = line.split(' ').next().unwrap_or_default();
    if algorithm.contains("-cert-v0") {
        return Err("is a certificate; give the plain public key");
    }
    if !is_key_type(algorithm) {
        return Err("must be TYPE BASE64 [COMMENT] with a known type and nothing before it");
    }
    let key = PublicKey::from_openssh(line).map_err(|_| "is not a well-formed public key")?;
    check_strength(key.key_data())?;
    Ok(key.key_data().clone())
}

fn is_key_type(algorithm: &str) -> bool {
    matches!(
        algorithm,
        "ssh-ed25519"
            | "ssh-rsa"
            | "ecdsa-sha2-nistp256"
            | "ecdsa-sha2-nistp384"
            | "ecdsa-sha2-nistp521"
            | "sk-ssh-ed25519@openssh.com"
            | "sk-ecdsa-sha2-nistp256@openssh.com"
    )
}

fn check_strength(key: &KeyData) -> Result<(), &'static str> {
    match key {
        KeyData::Rsa(rsa) => match rsa_bits(rsa) {
            MIN_RSA_BITS..=MAX_RSA_BITS => Ok(()),
            0..MIN_RSA_BITS => Err("is an RSA key of less than 2048 bits"),
            _ => Err("is an RSA key of more than 16384 bits"),
        },
        _ => Ok(()),
    }
}

fn rsa_bits(key: &RsaPublicKey) -> usize {
    let modulus = key.n.as_positive_bytes().unwrap_or_default();
    let leading = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    (modulus.len() * 8).saturating_sub(leading)
}

macro_rules! key_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            /// `TYPE BASE64`, without a comment.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let line = PublicKey::from(self.0.clone()).to_openssh().map_err(|_| fmt::Error)?;
                f.write_str(&line)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.fingerprint())
            }
        }

        serde_as_text!($name);
    };
}

key_text!(HostKey);
key_text!(UserKey);
