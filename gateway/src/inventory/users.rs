//! Changes of users, and lists of them.

use jiff::Timestamp;
use mezite_access::is_built_in;
use mezite_api::user::{UserAdd, UserKind, UserUpdate};
use mezite_api::{Invalid, User, UserName};
use mezite_store::{AuditEntry, Batch, CommitError, Keyspace, Precondition, Versioned};
use uuid::Uuid;

use super::tokens::FreshToken;
use super::{By as _, Inventory, InventoryError, Operator, people, record};

impl Inventory {
    /// All users by name.
    pub fn users(&self) -> Result<Vec<User>, InventoryError> {
        let stored = self.store.prefix(Keyspace::Users, b"", usize::MAX)?;
        stored.iter().map(|(key, stored)| read(&String::from_utf8_lossy(key), stored)).collect()
    }

    /// One user.
    pub fn user(&self, name: &UserName) -> Result<User, InventoryError> {
        let stored = self.store.get(Keyspace::Users, name.as_str().as_bytes())?;
        read(name.as_str(), &stored.ok_or(InventoryError::NotFound("user"))?)
    }

    /// Adds a person, with a set-up token where one is asked for. The name must be free and every role must exist.
    pub async fn add_user(
        &self,
        operator: &Operator,
        add: UserAdd,
    ) -> Result<(User, Option<FreshToken>), InventoryError> {
        add.check()?;
        let user = User {
            id: Uuid::new_v4(),
            name: add.name,
            kind: UserKind::Person,
            roles: add.roles,
            logins: add.logins,
            traits: add.traits,
            disabled: add.disabled,
            created: Timestamp::now(),
            revision: 0,
        };
        let token =
            add.token_ttl.map(|ttl| FreshToken::new(people::purpose(&user), ttl, operator)).transpose()?;
        let batch = match &token {
            Some(token) => people::with_setup(Batch::new(), &user, token, operator),
            None => Batch::new(),
        };
        let user = self.put_user(batch, user, Precondition::Absent, operator, "user.create").await?;
        Ok((user, token))
    }

    /// Changes a user.
    pub async fn update_user(
        &self,
        operator: &Operator,
        name: &UserName,
        update: UserUpdate,
    ) -> Result<User, InventoryError> {
        update.check()?;
        let mut user = self.user(name)?;
        let UserUpdate { roles, logins, traits, disabled, revision } = update;
        if revision.is_some_and(|revision| revision != user.revision) {
            return Err(InventoryError::Changed);
        }
        user.roles = roles.unwrap_or(user.roles);
        user.logins = logins.unwrap_or(user.logins);
        user.traits = traits.unwrap_or(user.traits);
        user.disabled = disabled.unwrap_or(user.disabled);
        let precondition = Precondition::Revision(user.revision);
        self.put_user(Batch::new(), user, precondition, operator, "user.update").await
    }

    /// Puts a user, and what else `batch` holds, in one commit.
    pub(super) async fn put_user(
        &self,
        batch: Batch,
        mut user: User,
        precondition: Precondition,
        operator: &Operator,
        kind: &str,
    ) -> Result<User, InventoryError> {
        user.revision = 0;
        let key = user.name.as_str().as_bytes();
        let mut batch = batch
            .require(Keyspace::Users, key, precondition)
            .put(Keyspace::Users, key, record::encode(&user))
            .audit(
                event(kind, operator, &user.name)
                    .with("roles", texts(&user.roles))
                    .with("logins", texts(&user.logins))
                    .with("traits", user.traits.keys().cloned().collect::<Vec<_>>())
                    .with("disabled", user.disabled),
            );
        for role in user.roles.iter().filter(|role| !is_built_in(role)) {
            batch = batch.require(Keyspace::Roles, role.as_str().as_bytes(), Precondition::Present);
        }
        user.revision = self.store.commit(batch).await.map_err(|error| match &error {
            CommitError::Conflict { keyspace: Keyspace::Roles, key, .. } => {
                let missing = user.roles.iter().find(|role| role.as_str().as_bytes() == key.as_slice());
                missing.map_or(InventoryError::Changed, |role| InventoryError::UnknownRole(role.clone()))
            }
            CommitError::Conflict { keyspace: Keyspace::Users, expected: Precondition::Absent, .. } => {
                InventoryError::Exists("user or bot")
            }
            _ => error.into(),
        })?;
        Ok(user)
    }

    /// Removes a user, where one is wanted only at this revision. One who is made later under the same name is another
    /// one.
    pub async fn remove_user(
        &self,
        operator: &Operator,
        name: &UserName,
        revision: Option<u64>,
    ) -> Result<(), InventoryError> {
        let key = name.as_str().as_bytes();
        let stored = self.store.get(Keyspace::Users, key)?.ok_or(InventoryError::NotFound("user"))?;
        if revision.is_some_and(|revision| revision != stored.revision) {
            return Err(InventoryError::Changed);
        }
        let user = read(name.as_str(), &stored).ok();
        if user.as_ref().is_some_and(|user| user.kind == UserKind::Bot) {
            return Err(Invalid::new("user", "is a bot; see 'mezctl bots rm'").into());
        }
        let batch = match &user {
            Some(user) => self.without_person(Batch::new(), user)?,
            // A record that cannot be read can still be removed.
            None => Batch::new().delete(Keyspace::People, key),
        };
        let batch = batch
            .require(Keyspace::Users, key, Precondition::Revision(stored.revision))
            .delete(Keyspace::Users, key)
            .audit(event("user.delete", operator, name));
        self.store.commit(batch).await?;
        Ok(())
    }
}

fn read(name: &str, stored: &Versioned) -> Result<User, InventoryError> {
    let mut user: User = record::read("user", name, stored, |user: &User| user.name.as_str() == name)?;
    user.revision = stored.revision;
    Ok(user)
}

fn texts<T: AsRef<str>>(names: &[T]) -> Vec<String> {
    names.iter().map(|name| name.as_ref().to_owned()).collect()
}

fn event(kind: &str, operator: &Operator, user: &UserName) -> AuditEntry {
    AuditEntry::new(kind).by(operator).with("outcome", "ok").with("subject", user.as_str())
}
