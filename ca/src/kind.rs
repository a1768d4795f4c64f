//! The four certificate authorities and the key algorithms they may use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which of the cluster's certificate authorities.
///
/// Each has keys of its own; what one of them signed is never believed in the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaKind {
    /// Signs the certificates of people and bots.
    User,
    /// Signs the certificates that the gateway itself shows to nodes.
    OpenSsh,
    /// Signs the host certificates of the gateway and of nodes.
    Host,
    /// Signs X.509 certificates: the gateway's HTTPS and its clients.
    Tls,
}

impl CaKind {
    /// All four, in the order in which they are listed to people.
    pub const ALL: [Self; 4] = [Self::User, Self::OpenSsh, Self::Host, Self::Tls];

    /// The name as it is written in commands, exports and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::OpenSsh => "openssh",
            Self::Host => "host",
            Self::Tls => "tls",
        }
    }
}

impl fmt::Display for CaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is none of `user`, `openssh`, `host`, `tls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a certificate authority: expected user, openssh, host or tls")]
pub struct UnknownCaKind;

impl FromStr for CaKind {
    type Err = UnknownCaKind;

    fn from_str(name: &str) -> Result<Self, UnknownCaKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or(UnknownCaKind)
    }
}

/// The algorithm of a key that this crate makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyAlgorithm {
    /// Ed25519 (RFC 8709).
    #[default]
    Ed25519,
    /// ECDSA over NIST P-256 (RFC 5656), for clusters whose rules ask for it.
    P256,
}

impl KeyAlgorithm {
    /// The name as it is written in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::P256 => "p256",
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_written_and_read_by_one_name() {
        for kind in CaKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
        assert_eq!("USER".parse::<CaKind>(), Err(UnknownCaKind));
    }

    #[test]
    fn hostile_033_the_default_algorithm_is_ed25519() {
        assert_eq!(KeyAlgorithm::default(), KeyAlgorithm::Ed25519);
        assert_eq!(serde_json::to_string(&KeyAlgorithm::P256).unwrap(), "\"p256\"");
    }
}
