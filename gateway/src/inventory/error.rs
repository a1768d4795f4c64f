//! Why something about the inventory was not done.

use mezite_access::RoleError;
use mezite_actors::AskError;
use mezite_api::{Invalid, NodeName, Problem, ProblemCode, RoleName};
use mezite_ca::RandomFailed;
use mezite_store::{CommitError, ReadError};
use uuid::Uuid;

/// Why something was not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The request is outside its grammar.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The role document is.
    #[error("role: {0}")]
    Role(#[from] RoleError),
    /// A role that came with the gateway.
    #[error("{0} is a built-in role and cannot be made, changed or removed")]
    BuiltIn(RoleName),
    /// A user would get a role that does not exist.
    #[error("there is no role {0}")]
    UnknownRole(RoleName),
    /// There is no such thing; what.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// A name that is taken; of what.
    #[error("there is a {0} of this name already")]
    Exists(&'static str),
    /// A node's name that is taken.
    #[error(
        "there is a node {0} already, and a name means one node, whatever its case: give this one another hostname, or \
         change that one ('mezctl edit node/{0}')"
    )]
    NameTaken(NodeName),
    /// A node's UUID that is taken.
    #[error("there is a node with the UUID {0} already: leave metadata.name out, and one is made")]
    IdTaken(Uuid),
    /// It is revoked, once is enough.
    #[error("it is revoked already")]
    Revoked,
    /// Somebody was faster, or the request is about an older revision.
    #[error("it was changed meanwhile; look at it again")]
    Changed,
    /// An address that several nodes have; how many.
    #[error("{0} nodes match; name one by its name or UUID, or add the port")]
    Ambiguous(usize),
    /// A record that cannot be understood: damaged, or written by a newer release.
    #[error("the record of the {what} {name} cannot be read")]
    Unreadable {
        /// What it is of.
        what: &'static str,
        /// Its key.
        name: String,
    },
    /// No randomness for a token.
    #[error(transparent)]
    Random(#[from] RandomFailed),
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store did not take the change.
    #[error(transparent)]
    Commit(CommitError),
    /// The actor did not answer.
    #[error("the inventory does not answer: {0}")]
    Ask(#[from] AskError),
}

impl From<CommitError> for InventoryError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { .. } => Self::Changed,
            other => Self::Commit(other),
        }
    }
}

impl From<InventoryError> for Problem {
    fn from(error: InventoryError) -> Self {
        let code = match &error {
            InventoryError::Invalid(invalid) => return invalid.clone().into(),
            InventoryError::Role(_) => {
                return Self::new(ProblemCode::Invalid, error.to_string()).with_field("yaml");
            }
            InventoryError::UnknownRole(_) => {
                return Self::new(ProblemCode::Invalid, error.to_string()).with_field("roles");
            }
            InventoryError::NotFound(_) => ProblemCode::NotFound,
            InventoryError::BuiltIn(_)
            | InventoryError::Exists(_)
            | InventoryError::NameTaken(_)
            | InventoryError::IdTaken(_)
            | InventoryError::Revoked
            | InventoryError::Changed
            | InventoryError::Ambiguous(_) => ProblemCode::Conflict,
            InventoryError::Commit(CommitError::Full) => ProblemCode::StoreFull,
            InventoryError::Ask(_)
            | InventoryError::Read(ReadError::Busy)
            | InventoryError::Commit(CommitError::Busy | CommitError::Closed) => ProblemCode::Unavailable,
            InventoryError::Unreadable { .. }
            | InventoryError::Random(_)
            | InventoryError::Read(_)
            | InventoryError::Commit(_) => {
                log::error!(error:% = error; "the inventory's store failed");
                ProblemCode::Internal
            }
        };
        Self::new(code, error.to_string())
    }
}
