//! Roles, users, locks and revocations as they decide, following the store.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use mezite_access::{CompiledRole, Role, UserFacts, built_in_roles, is_built_in};
use mezite_api::{Lock, LockTarget, RoleName, User, UserName};
use mezite_store::{Change, Keyspace, ReadError, Revision, Store};
use serde::de::DeserializeOwned;

use super::revocations::CHANGED;
use super::revoked::{Record, Revoked};
use super::{InventoryError, Refusal, record};

/// Roles, users, locks and revocations of one revision.
pub(super) struct Memory {
    revision: Revision,
    roles: HashMap<RoleName, RoleEntry>,
    users: HashMap<UserName, UserEntry>,
    locks: HashMap<Vec<u8>, LockEntry>,
    /// Nothing stands for a record that cannot be read.
    revocations: HashMap<Vec<u8>, Option<Record>>,
    revoked: Revoked,
}

/// A role that cannot be read may deny, so whoever has it is refused.
enum RoleEntry {
    Compiled(Arc<CompiledRole>),
    Unreadable,
}

/// A lock that cannot be read may be about anybody.
enum LockEntry {
    Lock(Lock),
    Unreadable,
}

/// A user with the roles that exist; a role that does not gives no rights.
pub(super) struct UserEntry {
    pub(super) user: Arc<User>,
    roles: Vec<Arc<CompiledRole>>,
    /// A role that could not be read.
    unreadable: Option<RoleName>,
}

impl UserEntry {
    /// The facts that roles are evaluated on.
    pub(super) fn facts(&self) -> Result<UserFacts<'_>, Refusal> {
        match &self.unreadable {
            Some(role) => Err(Refusal::Unavailable(format!("role {role} cannot be read"))),
            None => Ok(UserFacts {
                name: &self.user.name,
                roles: &self.roles,
                traits: &self.user.traits,
                logins: &self.user.logins,
            }),
        }
    }
}

impl Memory {
    /// Reads everything of one moment. Single records that cannot be read refuse those whom they concern.
    pub(super) fn load(store: &Store) -> Result<Self, InventoryError> {
        let mut memory = Self {
            revision: 0,
            roles: HashMap::new(),
            users: HashMap::new(),
            locks: HashMap::new(),
            revocations: HashMap::new(),
            revoked: Revoked::default(),
        };
        for role in built_in_roles()? {
            let name = role.name().clone();
            memory.roles.insert(name, RoleEntry::Compiled(Arc::new(role.into())));
        }
        store.read(|snapshot| {
            memory.revision = snapshot.revision()?;
            for keyspace in [Keyspace::Roles, Keyspace::Users, Keyspace::Locks, Keyspace::Revocations] {
                for (key, stored) in snapshot.scan(keyspace, .., usize::MAX)? {
                    // Damaged bytes are as unreadable as those of another form.
                    let value = stored.map(|stored| stored.value).unwrap_or_default();
                    memory.apply(keyspace, &key, Some(&value));
                }
            }
            Ok::<_, ReadError>(())
        })?;
        memory.revoked = Revoked::compile(memory.revocations.values());
        Ok(memory)
    }

    /// The newest revision that is in here.
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// Takes in one change.
    pub(super) fn follow(&mut self, change: &Change) {
        self.apply(change.keyspace, &change.key, change.value.as_deref());
        if change.keyspace == Keyspace::Revocations && change.key != CHANGED {
            self.revoked = Revoked::compile(self.revocations.values());
        }
        self.revision = change.revision;
    }

    fn apply(&mut self, keyspace: Keyspace, key: &[u8], value: Option<&[u8]>) {
        match keyspace {
            Keyspace::Roles => self.apply_role(key, value),
            Keyspace::Users => self.apply_user(key, value),
            Keyspace::Locks => self.apply_lock(key, value),
            Keyspace::Revocations => self.apply_revocation(key, value),
            _ => {}
        }
    }

    fn apply_role(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Some(name) = named(key, RoleName::parse).filter(|name| !is_built_in(name)) else { return };
        match value {
            None => drop(self.roles.remove(&name)),
            Some(bytes) => {
                let role = readable::<Role>("role", key, bytes).filter(|role| *role.name() == name);
                let entry =
                    role.map_or(RoleEntry::Unreadable, |role| RoleEntry::Compiled(Arc::new(role.into())));
                self.roles.insert(name.clone(), entry);
            }
        }
        let Self { roles, users, .. } = self;
        for entry in users.values_mut().filter(|entry| entry.user.roles.contains(&name)) {
            *entry = join(Arc::clone(&entry.user), roles);
        }
    }

    fn apply_user(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Some(name) = named(key, UserName::parse) else { return };
        let user =
            value.and_then(|bytes| readable::<User>("user", key, bytes)).filter(|user| user.name == name);
        match user {
            Some(user) => self.users.insert(name, join(Arc::new(user), &self.roles)),
            None => self.users.remove(&name),
        };
    }

    fn apply_lock(&mut self, key: &[u8], value: Option<&[u8]>) {
        match value {
            None => self.locks.remove(key),
            Some(bytes) => {
                let entry = readable("lock", key, bytes).map_or(LockEntry::Unreadable, LockEntry::Lock);
                self.locks.insert(key.to_vec(), entry)
            }
        };
    }

    fn apply_revocation(&mut self, key: &[u8], value: Option<&[u8]>) {
        match value {
            _ if key == CHANGED => {}
            None => drop(self.revocations.remove(key)),
            Some(bytes) => drop(self.revocations.insert(key.to_vec(), readable("revocation", key, bytes))),
        }
    }

    /// What is revoked.
    pub(super) fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    /// A user by name.
    pub(super) fn user(&self, name: &UserName) -> Option<&UserEntry> {
        self.users.get(name)
    }

    /// The locks in force that can be read; [`lock`](Self::lock) refuses everybody where there is one that cannot.
    pub(super) fn live_locks(&self, now: Timestamp) -> impl Iterator<Item = &Lock> {
        self.locks.values().filter_map(move |entry| match entry {
            LockEntry::Lock(lock) if lock.is_live(now) => Some(lock),
            _ => None,
        })
    }

    /// A lock in force whose target `concerns` accepts. Refused when there is a lock that cannot be read.
    pub(super) fn lock(
        &self,
        now: Timestamp,
        concerns: impl Fn(&LockTarget) -> bool,
    ) -> Result<Option<&Lock>, Refusal> {
        let mut found = None;
        for entry in self.locks.values() {
            match entry {
                LockEntry::Unreadable => return Err(Refusal::Unavailable("a lock cannot be read".into())),
                LockEntry::Lock(lock) if lock.is_live(now) && concerns(&lock.target) => found = Some(lock),
                LockEntry::Lock(_) => {}
            }
        }
        Ok(found)
    }
}

fn join(user: Arc<User>, roles: &HashMap<RoleName, RoleEntry>) -> UserEntry {
    let mut entry = UserEntry { user, roles: Vec::new(), unreadable: None };
    for name in &entry.user.roles {
        match roles.get(name) {
            Some(RoleEntry::Compiled(role)) => entry.roles.push(Arc::clone(role)),
            Some(RoleEntry::Unreadable) => entry.unreadable = Some(name.clone()),
            None => {}
        }
    }
    entry
}

fn named<T, E>(key: &[u8], parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
    str::from_utf8(key).ok().and_then(|text| parse(text).ok())
}

fn readable<T: DeserializeOwned>(what: &'static str, key: &[u8], bytes: &[u8]) -> Option<T> {
    let value = record::decode(bytes);
    if value.is_none() {
        log::error!(what, key:% = mezite_api::escape(key); "a record cannot be read");
    }
    value
}
