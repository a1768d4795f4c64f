//! Documents: what is configured, as files say it. One file a kind; what all kinds have in common is here.

mod bot;
mod lock;
mod node;
pub(crate) mod reader;
mod role;
mod user;

use std::fmt;

use mezite_access::RoleError;
use mezite_access::yaml::{self, YamlError};
use mezite_api::client::{Client, ClientError};
use mezite_api::{Invalid, NodeRef, ProblemCode, RoleName, UserName};
use mezite_console::{CommandError, Kind as ErrorKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use bot::BotDocument;
pub(crate) use lock::LockDocument;
pub(crate) use node::NodeDocument;
pub(crate) use role::RoleFile;
pub(crate) use user::UserDocument;

/// The kinds of documents, in the order in which one may refer to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Role,
    User,
    Bot,
    Node,
    Lock,
}

/// The version of a document's form. Teleport's mean the same here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Version {
    V1,
    V2,
    V3,
    V4,
    V5,
    V6,
    V7,
    V8,
}

impl Version {
    /// The version where none is said, and the one that is written.
    const fn written() -> Self {
        Self::V1
    }
}

/// Whose documents have a name and nothing else that is no configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metadata<N> {
    name: N,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
}

/// What the gateway has under the name of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// Nothing.
    Absent,
    /// The same, at this revision.
    Same(Option<u64>),
    /// Something else, at this revision.
    Other(Option<u64>),
    /// Nothing that matters any more: why.
    Moot(&'static str),
}

/// One document, whatever its kind.
pub(crate) trait Declared {
    /// Its kind.
    fn kind(&self) -> Kind;

    /// What people call it.
    fn name(&self) -> String;

    /// What makes it this one, whatever else is changed: its `metadata.name`.
    fn identity(&self) -> String {
        self.name()
    }

    /// What no other document of this kind may have.
    fn keys(&self) -> Vec<String> {
        vec![self.name()]
    }

    /// The revision that it was written for.
    fn revision(&self) -> Option<u64>;

    /// What the gateway has.
    fn stored(&self, client: &Client) -> Result<Stored, CommandError>;

    /// Makes it.
    fn create(&self, client: &Client) -> Result<(), CommandError>;

    /// Puts it in the place of what is there, where that is still at this revision.
    fn replace(&self, client: &Client, revision: Option<u64>) -> Result<(), CommandError>;

    /// Removes what has its name.
    fn remove(&self, client: &Client) -> Result<(), CommandError>;
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Role, Self::User, Self::Bot, Self::Node, Self::Lock];

    /// The word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::User => "user",
            Self::Bot => "bot",
            Self::Node => "node",
            Self::Lock => "lock",
        }
    }

    /// Reads the word, also in the plural.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL
            .into_iter()
            .find(|kind| text.strip_prefix(kind.as_str()).is_some_and(|rest| rest.is_empty() || rest == "s"));
        found.ok_or_else(|| Invalid::new("kind", "must be role, user, bot, node or lock"))
    }

    /// Reads a document of this kind.
    fn read(self, text: &str) -> Result<Box<dyn Declared>, YamlError> {
        Ok(match self {
            Self::Role => Box::new(RoleFile::parse(text)?),
            Self::User => Box::new(document::<UserDocument>(text)?.checked()?),
            Self::Bot => Box::new(document::<BotDocument>(text)?.checked()?),
            Self::Node => Box::new(document::<NodeDocument>(text)?.checked()?),
            Self::Lock => Box::new(document::<LockDocument>(text)?.checked()?),
        })
    }

    /// Removes what has this name.
    pub(crate) fn remove(self, client: &Client, name: &str) -> Result<(), CommandError> {
        match self {
            Self::Role => client.remove_role(&RoleName::parse(name)?)?,
            Self::User => client.remove_user(&UserName::parse(name)?)?,
            Self::Bot => client.remove_bot(&UserName::parse(name)?)?,
            Self::Node => client.remove_node(&NodeRef::parse(name)?)?,
            Self::Lock => client.remove_lock(lock_id(name)?)?,
        }
        Ok(())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a lock.
pub(crate) fn lock_id(text: &str) -> Result<Uuid, Invalid> {
    Uuid::try_parse(text).map_err(|_| Invalid::new("lock", "must be a UUID"))
}

fn document<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    yaml::parse(text)
}

/// What is wrong with a document as a whole.
fn wrong(invalid: &Invalid) -> YamlError {
    YamlError { line: 1, reason: invalid.to_string() }
}

fn of_role(error: RoleError) -> YamlError {
    match error {
        RoleError::Malformed(error) => error,
        RoleError::TooLarge => YamlError { line: 1, reason: error.to_string() },
    }
}

/// What was found, or nothing where there is none.
fn found<T>(answer: Result<T, ClientError>) -> Result<Option<T>, CommandError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(ClientError::Refused(problem)) if problem.code == ProblemCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn conflict(why: impl Into<String>) -> CommandError {
    CommandError::new(ErrorKind::Conflict, why)
}
