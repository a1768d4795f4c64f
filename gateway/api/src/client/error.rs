//! Why a call did not give what was asked for.

use std::io;

use crate::Problem;

/// Why a call failed, by whose fault it is.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection to the gateway.
    #[error("cannot reach the gateway at {place}: {error}")]
    Unreachable {
        /// The socket or the address.
        place: String,
        /// The system's answer.
        error: io::Error,
    },
    /// The gateway did not answer in time.
    #[error("the gateway at {place} did not answer in time")]
    TimedOut {
        /// The socket or the address.
        place: String,
    },
    /// The gateway said no.
    #[error(transparent)]
    Refused(Problem),
    /// The answer is not what this program understands; perhaps it comes from another release.
    #[error("unexpected answer of the gateway: {0}")]
    Answer(String),
    /// Reading or writing on this side failed.
    #[error("{0}")]
    Local(#[from] io::Error),
}

impl ClientError {
    pub(super) fn from_transport(error: ureq::Error, place: &str) -> Self {
        let place = place.to_owned();
        match error {
            ureq::Error::Io(error) => Self::Unreachable { place, error },
            ureq::Error::Timeout(_) => Self::TimedOut { place },
            other => Self::Answer(other.to_string()),
        }
    }
}
