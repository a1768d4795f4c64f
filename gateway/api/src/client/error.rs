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
    /// Nobody has proved to be the gateway: nothing was sent.
    #[error("{place} does not prove to be the gateway: {why}")]
    Untrusted {
        /// The address.
        place: String,
        /// What is wrong with its certificate.
        why: String,
    },
    /// The gateway has ended the handshake.
    #[error("the gateway at {place} does not take the client certificate: {why}")]
    NotAdmitted {
        /// The address.
        place: String,
        /// What the gateway says.
        why: String,
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
            ureq::Error::Io(error) => match tls_error(&error) {
                Some(rustls::Error::InvalidCertificate(why)) => {
                    Self::Untrusted { place, why: why.to_string() }
                }
                Some(rustls::Error::AlertReceived(alert)) => {
                    Self::NotAdmitted { place, why: format!("{alert:?}") }
                }
                _ => Self::Unreachable { place, error },
            },
            ureq::Error::Timeout(_) => Self::TimedOut { place },
            other => Self::Answer(other.to_string()),
        }
    }
}

/// What TLS says, where the error is of TLS.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
