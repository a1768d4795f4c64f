//! Why a machine has not joined, and the exit code that says so.

use std::io;
use std::path::Path;

use mezite_api::client::ClientError;
use mezite_api::{Invalid, ProblemCode};
use mezite_identity::IdentityError;

/// Why a machine has not joined or left. What was changed is undone.
#[derive(Debug, thiserror::Error)]
pub(super) enum JoinError {
    /// What was asked for is malformed.
    #[error("{0}")]
    Usage(String),
    /// Something on this machine.
    #[error("{0}")]
    Local(String),
    /// The gateway does not accept the token.
    #[error("the gateway refused the token: {0}")]
    Token(String),
    /// Whoever answers is not known to be the gateway.
    #[error("{0}. Pass the gateway's pin ('mezctl status' prints it) with --ca-pin sha256:…")]
    NotTrusted(String),
    /// The name or the address is somebody else's.
    #[error("{0}")]
    Conflict(String),
    /// The gateway cannot be reached, or cannot do it now.
    #[error("{0}")]
    Gateway(String),
}

impl JoinError {
    /// Of a file.
    pub(super) fn file(path: &Path, error: &io::Error) -> Self {
        Self::Local(format!("{}: {error}", path.display()))
    }

    /// The exit code.
    pub(super) const fn exit_code(&self) -> u8 {
        match self {
            Self::Local(_) | Self::Gateway(_) => 1,
            Self::Usage(_) => 2,
            Self::Token(_) => 3,
            Self::NotTrusted(_) => 4,
            Self::Conflict(_) => 5,
        }
    }
}

impl From<Invalid> for JoinError {
    fn from(invalid: Invalid) -> Self {
        Self::Usage(invalid.to_string())
    }
}

impl From<IdentityError> for JoinError {
    fn from(error: IdentityError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<ClientError> for JoinError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(problem) => match problem.code {
                ProblemCode::Unauthenticated | ProblemCode::Throttled => Self::Token(problem.detail),
                ProblemCode::Conflict => Self::Conflict(problem.detail),
                ProblemCode::Invalid => Self::Usage(problem.detail),
                _ => Self::Gateway(problem.detail),
            },
            ClientError::Untrusted { .. } => Self::NotTrusted(error.to_string()),
            other => Self::Gateway(other.to_string()),
        }
    }
}
