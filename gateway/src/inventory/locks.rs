//! Changes of locks, and lists of them.

use std::sync::Arc;

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use mezite_api::lock::LockAdd;
use mezite_api::{Invalid, Lock, LockTarget};
use mezite_store::{AuditEntry, Batch, Change, Keyspace, Lagged, Precondition, Watch};
use serde_json::Value;
use uuid::Uuid;

use super::{By as _, Inventory, InventoryError, Operator, record};

/// Tells when a lock or a revocation has changed, or whom it is about, or when an instance of a bot is gone.
pub struct LockWatch(Watch);

impl LockWatch {
    /// Ready after such a change, or where some may have been missed; `None` once the store is closed.
    pub async fn changed(&mut self) -> Option<()> {
        let concerns = |change: &Result<Arc<Change>, Lagged>| match change {
            Ok(change) => match change.keyspace {
                Keyspace::Locks | Keyspace::Users | Keyspace::Revocations => true,
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

    /// One lock that is in force.
    pub fn lock(&self, id: Uuid) -> Result<Lock, InventoryError> {
        let stored = self.store.get(Keyspace::Locks, &key(id))?.ok_or(InventoryError::NotFound("lock"))?;
        let lock: Lock = record::read("lock", &id.to_string(), &stored, |lock: &Lock| lock.id == id)?;
        if lock.is_live(Timestamp::now()) { Ok(lock) } else { Err(InventoryError::NotFound("lock")) }
    }

    /// Adds a lock, or replaces one where that is asked for. It is in force for every decision that begins after this
    /// answers, also when the store is full.
    pub async fn add_lock(&self, operator: &Operator, add: LockAdd) -> Result<Lock, InventoryError> {
        add.check()?;
        let created = Timestamp::now();
        let ttl = add.ttl.and_then(|ttl| SignedDuration::try_from(ttl).ok());
        let expires = add.expires.or_else(|| ttl.and_then(|ttl| created.checked_add(ttl).ok()));
        if expires.is_some_and(|expires| expires <= created) {
            return Err(Invalid::new("expires", "must lie ahead").into());
        }
        let lock = Lock {
            id: add.id.unwrap_or_else(Uuid::new_v4),
            target: add.target,
            message: add.message,
            created,
            expires,
            created_by: operator.to_string(),
        };
        let key = key(lock.id);
        let old = self.store.get(Keyspace::Locks, &key)?;
        let batch = match &old {
            None => Batch::new().require(Keyspace::Locks, &key, Precondition::Absent),
            Some(old) => {
                let locked = record::decode::<Lock>(&old.value);
                // What has expired is there no more for anybody.
                if !add.replace && locked.as_ref().is_none_or(|locked| locked.is_live(created)) {
                    return Err(InventoryError::Exists("lock"));
                }
                Batch::new()
                    .require(Keyspace::Locks, &key, Precondition::Revision(old.revision))
                    .audit(removed(operator, lock.id, locked.as_ref()))
            }
        };
        let batch = batch
            .put(Keyspace::Locks, &key, record::encode(&lock))
            .audit(event("lock.create", &lock).by(operator));
        self.store.commit(batch.essential()).await?;
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
        let batch = Batch::new().delete(Keyspace::Locks, &key).audit(removed(operator, id, stored.as_ref()));
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
        .audit(event("lock.create", lock).with("actor", actor))
}

/// The event of a lock that goes; one that cannot be read has its id only.
fn removed(operator: &Operator, id: Uuid, lock: Option<&Lock>) -> AuditEntry {
    let event = match lock {
        Some(lock) => event("lock.delete", lock),
        None => AuditEntry::new("lock.delete").with("lock", id.to_string()),
    };
    event.by(operator)
}

fn key(id: Uuid) -> Vec<u8> {
    id.hyphenated().to_string().into_bytes()
}

fn event(kind: &str, lock: &Lock) -> AuditEntry {
    let mut event = AuditEntry::new(kind)
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
