//! The inventory: nodes, roles, users, locks and revocations, and the decisions that follow from them.
//!
//! Roles, users, locks and revocations are kept compiled in memory by one actor, which decides. Before each answer it takes in what
//! was committed meanwhile, so that whoever changed something finds it in the next decision. Nodes are read from the
//! store when they are asked for. Changes need no actor: each is one commit with its preconditions and its audit event.

mod access;
mod actor;
mod bots;
mod error;
mod filter;
mod index;
mod issued;
mod joining;
mod locks;
mod memory;
mod nodes;
mod people;
mod reach;
mod record;
mod revocations;
mod revoked;
mod roles;
mod tokens;
mod users;
mod view;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mezite_access::{Issuance, Resource, Verb};
use mezite_actors::{Addr, AskError, Supervisor};
use mezite_api::explain::Explanation;
use mezite_api::{NodeRef, Target, User, UserName};
use mezite_store::{AuditEntry, Store};
use serde_json::Value;
use uuid::Uuid;

use actor::{Decider, Message};
use memory::Memory;

pub use access::{AccessRequest, Credential, Grant, Holding, Refusal, Subject};
pub use bots::{
    Admission, BotTerms, FreshIdToken, Instance, OidcBot, Pair, Pending, Serial, Shown, Standing,
};
pub use error::InventoryError;
pub use filter::Filter;
pub use joining::{Joining, Place};
pub use locks::LockWatch;
pub use people::{Begun, Factors, LastLogin, Person};
pub use reach::{Reach, ReachPage};
pub use tokens::{FoundToken, FreshToken, TokenPurpose, TokenRecord, TokenUse};

/// How long a decision may take; it takes microseconds.
const ASK_TIME: Duration = Duration::from_secs(10);

/// The way to the inventory.
#[derive(Clone)]
pub struct Inventory {
    addr: Addr<Message>,
    store: Store,
    cluster: Arc<str>,
}

/// Who changes something, as audit events name it: a user, or the uid of an operator at the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// A local process over the Unix socket.
    Uid(u32),
    /// A user over HTTPS, from this address.
    User(UserName, SocketAddr),
}

/// Events that say who did something.
pub trait By {
    /// Sets `actor`, and `source` where the operator is somewhere else.
    #[must_use]
    fn by(self, operator: &Operator) -> Self;
}

impl By for AuditEntry {
    fn by(self, operator: &Operator) -> Self {
        let event = self.with("actor", operator);
        match operator.source() {
            None => event,
            Some(source) => event.with("source", source.to_string()),
        }
    }
}

impl Operator {
    /// Where the operator is, where that is somewhere else.
    pub fn source(&self) -> Option<SocketAddr> {
        match self {
            Self::Uid(_) => None,
            Self::User(_, source) => Some(*source),
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(uid) => write!(f, "uid {uid}"),
            Self::User(name, _) => name.fmt(f),
        }
    }
}

impl From<&Operator> for Value {
    fn from(operator: &Operator) -> Self {
        match operator {
            Operator::Uid(uid) => (*uid).into(),
            Operator::User(name, _) => name.as_str().into(),
        }
    }
}

impl Inventory {
    /// Reads roles, users and locks, and starts the actor. Blocks.
    pub fn start(supervisor: &Supervisor, store: &Store, cluster: &str) -> Result<Self, InventoryError> {
        // Only to fail at the start where it cannot be read; the actor reads for itself, again after each restart.
        Memory::load(store)?;
        let (kept, cluster): (_, Arc<str>) = (store.clone(), cluster.into());
        let name = Arc::clone(&cluster);
        let addr = supervisor.supervise(move || Decider::new(kept.clone(), Arc::clone(&name)));
        Ok(Self { addr, store: store.clone(), cluster })
    }

    /// Whether the holder of a certificate is a user who may do anything at all. The first use of a bot's pair confirms
    /// it.
    pub async fn identify(&self, subject: Subject) -> Result<Arc<User>, Refusal> {
        let (asked, kept) = (subject.clone(), subject);
        let user = self.decision(|reply| Message::Identify(asked, reply)).await?;
        self.admit_subject(&kept).await?;
        Ok(user)
    }

    /// Decides.
    pub async fn authorize(&self, request: AccessRequest) -> Result<Grant, Refusal> {
        self.decision(|reply| Message::Authorize(Box::new(request), reply)).await
    }

    /// Says what would be decided, and why.
    pub async fn explain(&self, user: UserName, target: Target) -> Result<Explanation, InventoryError> {
        self.addr.ask(|reply| Message::Explain(user, Box::new(target), reply), ASK_TIME).await?
    }

    /// What a certificate for the user may carry now. Refused where nothing may be issued.
    pub async fn issuance(&self, user: UserName, source: Option<IpAddr>) -> Result<Issuance, Refusal> {
        self.decision(|reply| Message::Issuance(user, source, reply)).await
    }

    /// Whether the rules in the roles of a certificate's user permit something.
    pub async fn permits(&self, subject: Subject, resource: Resource, verb: Verb) -> Result<bool, Refusal> {
        let (asked, kept) = (subject.clone(), subject);
        let permitted = self.decision(|reply| Message::Permits(asked, resource, verb, reply)).await?;
        self.admit_subject(&kept).await?;
        Ok(permitted)
    }

    async fn admit_subject(&self, subject: &Subject) -> Result<(), Refusal> {
        match &subject.bot {
            Some(shown) => self.admit(&subject.user, shown, subject.source).await,
            None => Ok(()),
        }
    }

    /// Those of the connections that live which may not any more, each with the reason: a lock is about it, or its user
    /// or instance is gone or disabled.
    ///
    /// # Errors
    /// Nobody answers, or the store cannot be read: nothing is known then.
    pub async fn lost(
        &self,
        connections: Vec<(Uuid, Holding)>,
    ) -> Result<Vec<(Uuid, Refusal)>, InventoryError> {
        self.addr.ask(|reply| Message::Lost(connections, reply), ASK_TIME).await?
    }

    async fn decision<R>(
        &self,
        message: impl FnOnce(mezite_actors::Reply<Result<R, Refusal>>) -> Message,
    ) -> Result<R, Refusal> {
        let answered = self.addr.ask(message, ASK_TIME).await;
        answered.unwrap_or_else(|error: AskError| Err(Refusal::Unavailable(error.to_string())))
    }

    /// The one node that an operator names.
    fn find_id(&self, node: &NodeRef) -> Result<Uuid, InventoryError> {
        let found = self.store.read(|snapshot| index::candidates(snapshot, node, &self.cluster))?;
        match found.as_slice() {
            [] => Err(InventoryError::NotFound("node")),
            [id] => Ok(*id),
            many => Err(InventoryError::Ambiguous(many.len())),
        }
    }
}

#[cfg(test)]
mod tests;
