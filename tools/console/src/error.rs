//! What went wrong, for a person (cause and hint) and for a script (the exit code).

use std::io;
use std::path::Path;
use std::process::ExitCode;

use mezite_api::client::ClientError;
use mezite_api::{Invalid, Problem, ProblemCode};

/// What kind of thing went wrong: the exit code (semantics section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: whoever read the output has gone, as `head` does.
    Unread = 0,
    /// Anything else.
    Failed = 1,
    /// What was asked for is malformed.
    Usage = 2,
    /// It is not permitted.
    Refused = 3,
    /// There is no such thing.
    NotFound = 4,
    /// It exists already, or is not as expected.
    Conflict = 5,
    /// The gateway or the node cannot be reached.
    Unreachable = 6,
}

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub struct CommandError {
    kind: Kind,
    /// Nothing to say: the output has said it, or nobody is there to read it.
    silent: bool,
    cause: String,
    hint: Option<String>,
}

impl CommandError {
    /// With what has happened.
    pub fn new(kind: Kind, cause: impl Into<String>) -> Self {
        Self { kind, silent: false, cause: cause.into(), hint: None }
    }

    /// What was asked for is malformed.
    pub fn usage(cause: impl Into<String>) -> Self {
        Self::new(Kind::Usage, cause)
    }

    /// Ends with the code of this kind, without a word.
    pub fn silent(kind: Kind) -> Self {
        Self { silent: true, ..Self::new(kind, "") }
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// With what can be done about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With a hint where the kind is a conflict.
    #[must_use]
    pub fn conflict_hint(self, hint: &str) -> Self {
        if self.kind == Kind::Conflict { self.hint(hint) } else { self }
    }

    /// The same, said of a file.
    #[must_use]
    pub fn within(mut self, path: &Path) -> Self {
        self.cause = format!("{}: {}", path.display(), self.cause);
        self
    }

    /// Says it on stderr, in the name of `program`.
    pub fn report(&self, program: &str) -> ExitCode {
        if !self.silent {
            eprintln!("{program}: {}", printable(&self.cause));
        }
        if let Some(hint) = &self.hint {
            eprintln!("hint: {}", printable(hint));
        }
        ExitCode::from(self.kind as u8)
    }
}

/// Without what a terminal would obey. Texts of the gateway are escaped there already; this is for all others.
fn printable(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() && character != '\n' { '\u{fffd}' } else { character })
        .collect()
}

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(problem) => problem.into(),
            ClientError::Local(error) => error.into(),
            ClientError::Unreachable { error: ref cause, .. }
                if cause.kind() == io::ErrorKind::PermissionDenied =>
            {
                Self::new(Kind::Refused, error.to_string())
                    .hint("only root and the account that runs the gateway may administer it here")
            }
            ClientError::Unreachable { .. } => Self::new(Kind::Unreachable, error.to_string())
                .hint("is it running? --socket or --server says where"),
            ClientError::Untrusted { .. } => Self::new(Kind::Unreachable, error.to_string()).hint(
                "pass its CA pin with --ca-pin or MEZITE_CA_PIN; 'mezctl status' on the gateway prints it",
            ),
            ClientError::NotAdmitted { .. } => {
                Self::new(Kind::Refused, error.to_string()).hint("log in again with 'msh login'")
            }
            ClientError::TimedOut { .. } => Self::new(Kind::Unreachable, error.to_string()),
            ClientError::Answer(_) => Self::new(Kind::Failed, error.to_string()).hint(
                "are this program and the gateway of one release? Compare '--version' and 'mezctl status'",
            ),
        }
    }
}

impl From<Problem> for CommandError {
    fn from(problem: Problem) -> Self {
        let kind = match problem.code {
            ProblemCode::Invalid | ProblemCode::TooLarge => Kind::Usage,
            ProblemCode::Unauthenticated | ProblemCode::Forbidden | ProblemCode::Locked => Kind::Refused,
            ProblemCode::NotFound => Kind::NotFound,
            ProblemCode::Conflict | ProblemCode::HostKeyMismatch => Kind::Conflict,
            ProblemCode::Unreachable => Kind::Unreachable,
            ProblemCode::Throttled
            | ProblemCode::Unavailable
            | ProblemCode::StoreFull
            | ProblemCode::Internal => Kind::Failed,
        };
        Self::new(kind, problem.detail)
    }
}

impl From<Invalid> for CommandError {
    fn from(invalid: Invalid) -> Self {
        Self::usage(invalid.to_string())
    }
}

/// An error of the output. Who reads it may leave at any time; that is no fault.
impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::silent(Kind::Unread);
        }
        Self::new(Kind::Failed, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: ProblemCode) -> Kind {
        CommandError::from(Problem::new(code, "")).kind
    }

    #[test]
    fn problems_become_exit_codes() {
        for (code, expected) in [
            (ProblemCode::Invalid, 2),
            (ProblemCode::Forbidden, 3),
            (ProblemCode::NotFound, 4),
            (ProblemCode::Conflict, 5),
            (ProblemCode::HostKeyMismatch, 5),
            (ProblemCode::Unreachable, 6),
            (ProblemCode::StoreFull, 1),
            (ProblemCode::Internal, 1),
        ] {
            assert_eq!(kind(code) as u8, expected, "{code:?}");
        }
    }

    #[test]
    fn who_may_not_connect_is_refused_and_who_finds_nobody_does_not_reach() {
        let unreachable =
            |kind: io::ErrorKind| ClientError::Unreachable { place: "socket".into(), error: kind.into() };
        assert_eq!(CommandError::from(unreachable(io::ErrorKind::PermissionDenied)).kind, Kind::Refused);
        assert_eq!(CommandError::from(unreachable(io::ErrorKind::NotFound)).kind, Kind::Unreachable);
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_printed() {
        assert_eq!(printable("a\u{1b}[2Jb\r\nc\u{9b}"), "a\u{fffd}[2Jb\u{fffd}\nc\u{fffd}");
    }
}
