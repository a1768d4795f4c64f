//! Changes of locks, and lists of them.

use std::sync::Arc;

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use mezite_api::lock::LockAdd;
use mezite_api::{Lock, LockTarget};
use mezite_store::{AuditEntry, Batch, Change, Keyspace, Lagged, Precondition, Watch};
use serde_json::Value;
use uuid::Uuid;

use super::{Inventory, InventoryError, Operator, record};

/// Tells when a lock has changed, or whom it is about, or when an instance of a bot is gone.
pub struct LockWatch(Watch);

impl LockWatch {
    /// Ready after such a change, or where some may have been missed; `None` once the store is closed.
    pub async fn changed(&mut self) -> Option<()> {
        let concerns = |change: &Result<Arc<Change>, Lagged>| match change {
            Ok(change) => match change.keyspace {
                Keyspace::Locks | Keyspace::Users => true,
                Keyspace::Instances => change.value.is_none(),
                _ => false,
            },
            Err(Lagged { .. }) => true,
        };
        while !concerns(&self.0.next().await?) {}
        // One answer for all that has come by now.
        while self.0.try_next().is_some() {}
        Some(())
    }
}

impl Inventory {
    /// Watches from now on.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn watch_locks(&self) -> Result<LockWatch, InventoryError> {
        Ok(LockWatch(self.store.watch(self.store.revision()?)))
    }

    /// The locks that are in force, oldest first.
    pub fn locks(&self) -> Result<Vec<Lock>, InventoryError> {
        let now = Timestamp::now();
        let stored = self.store.prefix(Keyspace::Locks, b"", usize::MAX)?;
        let read = |(key, stored): &(Vec<u8>, _)| {
            record::read("lock", &String::from_utf8_lossy(key), stored, |_| true)
        };
        let mut locks = stored.iter().map(read).collect::<Result<Vec<Lock>, _>>()?;
        locks.retain(|lock| lock.is_live(now));
        locks.sort_by_key(|lock| lock.created);
        Ok(locks)
    }

    /// Adds a lock. It is in force for every decision that begins after this answers, also when the store is full.
    pub async fn add_lock(&self, operator: &Operator, add: LockAdd) -> Result<Lock, InventoryError> {
        add.check()?;
        let created = Timestamp::now();
        let ttl = add.ttl.and_then(|ttl| SignedDuration::try_from(ttl).ok());
        let lock = Lock {
            id: Uuid::new_v4(),
            target: add.target,
            message: add.message,
            created,
            expires: ttl.and_then(|ttl| created.checked_add(ttl).ok()),
            created_by: operator.to_string(),
        };
        self.store.commit(add_to(Batch::new(), &lock, operator.into()).essential()).await?;
        Ok(lock)
    }

    /// Removes a lock, also one that cannot be read.
    pub async fn remove_lock(&self, operator: &Operator, id: Uuid) -> Result<(), InventoryError> {
        let key = key(id);
        let stored = match self.store.get(Keyspace::Locks, &key) {
            Ok(None) => return Err(InventoryError::NotFound("lock")),
            Ok(Some(stored)) => record::decode::<Lock>(&stored.value),
            Err(mezite_store::ReadError::Damaged { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let event = match &stored {
            Some(lock) => event("lock.delete", operator.into(), lock),
            None => AuditEntry::new("lock.delete").with("actor", operator).with("lock", id.to_string()),
        };
        let batch = Batch::new().delete(Keyspace::Locks, &key).audit(event);
        self.store.commit(batch).await?;
        Ok(())
    }
}

/// Adds a lock to a batch, with its event.
pub(super) fn add_to(batch: Batch, lock: &Lock, actor: Value) -> Batch {
    let key = key(lock.id);
    batch
        .require(Keyspace::Locks, &key, Precondition::Absent)
        .put(Keyspace::Locks, &key, record::encode(lock))
        .audit(event("lock.create", actor, lock))
}

fn key(id: Uuid) -> Vec<u8> {
    id.hyphenated().to_string().into_bytes()
}

fn event(kind: &str, actor: Value, lock: &Lock) -> AuditEntry {
    let mut event = AuditEntry::new(kind)
        .with("actor", actor)
        .with("outcome", "ok")
        .with("lock", lock.id.to_string())
        .with("target", serde_json::to_value(&lock.target).unwrap_or_default());
    if let LockTarget::User(name) | LockTarget::Bot(name) = &lock.target {
        event = event.with("subject", name.as_str());
    }
    if let Some(message) = &lock.message {
        event = event.with("message", mezite_api::escape(message));
    }
    if let Some(expires) = lock.expires {
        event = event.with("expires", expires.to_string());
    }
    event
}
