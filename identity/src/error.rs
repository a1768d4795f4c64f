//! What goes wrong, and the exit code that says so.

use std::io;
use std::path::PathBuf;

use mezite_api::client::ClientError;
use mezite_api::{Problem, ProblemCode};
use mezite_ca::ProofError;

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The settings are wrong.
    #[error("{0}")]
    Usage(String),
    /// The destination is not one to write keys to.
    #[error("{}: {why}", path.display())]
    Destination {
        /// Which path.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another process works on the destination.
    #[error("{} is in use by {}", path.display(), pid.map_or("another process".to_owned(), |pid| format!("process {pid}")))]
    InUse {
        /// The destination.
        path: PathBuf,
        /// Who it is.
        pid: Option<u32>,
    },
    /// There is no identity that could be renewed, and no token for a new one.
    #[error(
        "{0}; a new join token is needed ('mezctl bots rotate-token'), given by --join-token=@FILE, or an id token"
    )]
    NoIdentity(String),
    /// The gateway does not accept the token.
    #[error("the gateway refused the token: {0}")]
    TokenRefused(String),
    /// Whoever answers is not known to be the gateway. Nothing was told to it.
    #[error("{0}. Pass the gateway's pin ('mezctl status' prints it) with --ca-pin sha256:…")]
    NotTrusted(String),
    /// The bot or the instance is locked.
    #[error("{0}")]
    Locked(String),
    /// The gateway does not know the identity any more, or nothing may be issued to it.
    #[error(
        "the gateway does not renew this identity: {0}; a new join token is needed ('mezctl bots rotate-token'), given by \
         --join-token=@FILE, or an id token"
    )]
    NotRenewed(String),
    /// The gateway cannot be reached, or cannot do it now.
    #[error("{0}")]
    Unreachable(String),
    /// What the gateway answers is not what was asked for. It was thrown away.
    #[error("the gateway's answer is not what was asked for: {0}")]
    Answer(String),
    /// A file could not be written or read.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A key could not be made or used.
    #[error("the key: {0}")]
    Key(String),
    /// The process was told to stop before there was anything.
    #[error("stopped before there were certificates")]
    Stopped,
}

impl IdentityError {
    /// The exit code (semantics section 5).
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Destination { .. } => 2,
            Self::TokenRefused(_) => 3,
            Self::NotTrusted(_) => 4,
            Self::Locked(_) => 5,
            Self::InUse { .. }
            | Self::NoIdentity(_)
            | Self::NotRenewed(_)
            | Self::Unreachable(_)
            | Self::Answer(_)
            | Self::File { .. }
            | Self::Key(_)
            | Self::Stopped => 1,
        }
    }

    /// Whether trying again soon may help.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Answer(_) | Self::File { .. } | Self::NotTrusted(_))
    }

    /// Of a call with a token.
    pub(crate) fn of_join(error: ClientError) -> Self {
        match error {
            ClientError::Refused(problem) if problem.code == ProblemCode::Unauthenticated => {
                Self::TokenRefused(problem.detail)
            }
            other => Self::of_call(other),
        }
    }

    /// Of a call with a client certificate.
    pub(crate) fn of_renewal(error: ClientError) -> Self {
        match error {
            ClientError::NotAdmitted { why, .. } => {
                Self::NotRenewed(format!("its certificate is not taken any more ({why})"))
            }
            ClientError::Refused(Problem {
                code: ProblemCode::Unauthenticated | ProblemCode::Forbidden | ProblemCode::NotFound,
                detail,
                ..
            }) => Self::NotRenewed(detail),
            other => Self::of_call(other),
        }
    }

    fn of_call(error: ClientError) -> Self {
        match error {
            ClientError::Untrusted { .. } => Self::NotTrusted(error.to_string()),
            ClientError::Refused(problem) => match problem.code {
                ProblemCode::Locked => Self::Locked(problem.detail),
                ProblemCode::Invalid => Self::Usage(problem.detail),
                _ => Self::Unreachable(problem.detail),
            },
            ClientError::Answer(why) => Self::Answer(why),
            other => Self::Unreachable(other.to_string()),
        }
    }
}

impl From<ProofError> for IdentityError {
    fn from(error: ProofError) -> Self {
        Self::Key(error.to_string())
    }
}
