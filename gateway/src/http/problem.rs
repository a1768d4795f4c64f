//! What failed inside, as a problem for the caller. Defects are logged here; the caller learns only that there is one.

use mezite_api::{Problem, ProblemCode, escape};
use mezite_ca::{IssueError, TlsError};
use mezite_store::{CommitError, ReadError};

use crate::authority::AuthorityError;

/// A defect: its details are for the log.
pub(crate) fn internal(what: &'static str, error: &dyn std::error::Error) -> Problem {
    log::error!(error:% = error; "{what}");
    Problem::new(ProblemCode::Internal, format!("{what}; the gateway's log has the details"))
}

/// Why a commit failed, for a caller. Conflicts depend on what was to be changed: whoever requires something of the
/// store answers them first.
pub(crate) fn commit(error: &CommitError) -> Problem {
    match error {
        CommitError::Conflict { .. } => Problem::new(ProblemCode::Conflict, "it was changed meanwhile"),
        CommitError::Full => Problem::new(ProblemCode::StoreFull, "the store is full"),
        CommitError::Busy | CommitError::Closed => {
            Problem::new(ProblemCode::Unavailable, format!("{error}; nothing was changed"))
        }
        other => internal("the store cannot be written", other),
    }
}

/// Why a read failed, for a caller.
pub(crate) fn read(error: &ReadError) -> Problem {
    match error {
        ReadError::Busy => Problem::new(ProblemCode::Unavailable, error.to_string()),
        other => internal("the store cannot be read", other),
    }
}

/// A lock is in force; its message is for whom it concerns.
pub(crate) fn locked(name: &str, message: Option<&str>) -> Problem {
    let detail = match message {
        Some(message) => format!("{name} is locked: {}", escape(message)),
        None => format!("{name} is locked"),
    };
    Problem::new(ProblemCode::Locked, detail)
}

impl From<AuthorityError> for Problem {
    fn from(error: AuthorityError) -> Self {
        match &error {
            AuthorityError::Ask(_) => Self::new(ProblemCode::Unavailable, error.to_string()),
            AuthorityError::Audit(cause) => commit(cause),
            AuthorityError::NoSource
            | AuthorityError::Issue(
                IssueError::Principals(_) | IssueError::Lifetime { .. } | IssueError::TooLarge,
            ) => Self::new(ProblemCode::Invalid, error.to_string()),
            AuthorityError::Tls(TlsError::ClientKey) => {
                Self::new(ProblemCode::Invalid, error.to_string()).with_field("tls_public_key")
            }
            other => internal("no certificate could be issued", other),
        }
    }
}
