//! What can go wrong with the TLS CA and what it signs.

use std::time::Duration;

use super::server::MAX_NAMES;
use crate::random::RandomFailed;
use crate::sealing::SealError;

/// Why an X.509 certificate is not issued, or the TLS CA not opened.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A name that is neither a DNS name nor an address, or too many of them, or none.
    #[error("{0:?} cannot stand in a server certificate: a DNS name or an IP address is needed")]
    Name(String),
    /// There is no name, or there are too many.
    #[error("a server certificate needs 1 to {MAX_NAMES} names")]
    NameCount,
    /// A life of nothing, or too long a one.
    #[error("a lifetime of {} s is not possible: 1 s to {} s", asked.as_secs(), longest.as_secs())]
    Lifetime {
        /// What was asked for.
        asked: Duration,
        /// The longest that is possible.
        longest: Duration,
    },
    /// The clock is out of the range of X.509.
    #[error("the clock is out of range")]
    Clock,
    /// The name of a client that cannot stand in a URI as it is.
    #[error("{0:?} cannot stand in a client certificate")]
    Identity(String),
    /// The client's public key is of a type or size that is not accepted.
    #[error("the client's public key is not accepted: P-256 or Ed25519 is needed")]
    ClientKey,
    /// The stored CA is damaged.
    #[error("the stored TLS CA is damaged")]
    Damaged,
    /// The certificate could not be made.
    #[error("the X.509 certificate could not be made: {0}")]
    Encoding(#[from] rcgen::Error),
    /// Sealing or opening failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}
