//! How people prove who they are: a record beside the user, its set-up token, and what becomes of both.
//!
//! Password hash and secret of the codes are sealed; the step of the last code that was taken is not, so that a commit
//! can demand that nobody was faster.

use std::net::IpAddr;

use mezite_api::person::{DEFAULT_SETUP_TTL, UserReset};
use mezite_api::user::UserKind;
use mezite_api::{Invalid, User, UserName};
use mezite_ca::SealedSecret;
use mezite_store::{AuditEntry, Batch, Keyspace, Precondition, Revision};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::tokens::{FoundToken, FreshToken, TokenPurpose, TokenUse};
use super::{By as _, Inventory, InventoryError, Operator, record};

/// What a person has beyond being a user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Person {
    /// The user's identity: one who is made later under this name is another one.
    id: Uuid,
    /// The key of the set-up token's record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// A set-up that waits for its first code. Nobody gets in by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Begun>,
    /// What is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factors: Option<Factors>,
}

/// A set-up that has begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Begun {
    /// The request that began it, and that must confirm it.
    pub request: Uuid,
    /// The password's hash.
    pub password: SealedSecret,
    /// The secret of the codes.
    pub totp: SealedSecret,
}

/// What a person proves who they are with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Factors {
    /// The password's hash.
    pub password: SealedSecret,
    /// The secret of the codes.
    pub totp: SealedSecret,
    /// The step of the last code that was taken: this and earlier ones are used up.
    pub last_step: u64,
    /// The last login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastLogin>,
}

/// A login that was answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LastLogin {
    /// Its request.
    pub request: Uuid,
    /// The fingerprint of its key.
    pub key: String,
    /// Where it came from.
    pub source: IpAddr,
}

impl Inventory {
    /// The record of a person, where there is one.
    pub fn person(&self, user: &User) -> Result<Option<(Person, Revision)>, InventoryError> {
        let name = user.name.as_str();
        let Some(stored) = self.store.get(Keyspace::People, name.as_bytes())? else { return Ok(None) };
        let person: Person = record::read("person", name, &stored, |_| true)?;
        // What an earlier user of this name has left behind is not this one's.
        Ok((person.id == user.id).then_some((person, stored.revision)))
    }

    /// Makes a set-up token; password and second factor that there were are void.
    pub async fn reset_user(
        &self,
        operator: &Operator,
        name: &UserName,
        reset: UserReset,
    ) -> Result<FreshToken, InventoryError> {
        reset.check()?;
        let user = self.user(name)?;
        if user.kind == UserKind::Bot {
            return Err(Invalid::new("user", "is a bot; see 'mezctl bots rotate-token'").into());
        }
        let ttl = reset.token_ttl.unwrap_or(DEFAULT_SETUP_TTL);
        let token = FreshToken::new(purpose(&user), ttl, operator)?;
        let key = name.as_str().as_bytes();
        // Of two resets at once one fails, so that there is never more than one token.
        let kept = self.store.get(Keyspace::People, key)?;
        let kept = kept.map_or(Precondition::Absent, |kept| Precondition::Revision(kept.revision));
        let before = self.person(&user)?;
        let had = before.as_ref().is_some_and(|(person, _)| person.factors.is_some());
        let batch = Batch::new()
            .require(Keyspace::Users, key, Precondition::Revision(user.revision))
            .require(Keyspace::People, key, kept);
        let batch = match &before {
            Some((person, _)) => self.without_setup_token(batch, person)?,
            None => batch,
        };
        let event = AuditEntry::new("user.reset")
            .by(operator)
            .with("outcome", "ok")
            .with("subject", name.as_str())
            .with("had_password", had);
        let batch = with_setup(batch, &user, &token, operator).audit(event);
        self.store.commit(batch).await?;
        Ok(token)
    }

    /// Keeps a set-up that has begun. It is in force for nobody.
    pub async fn begin_setup(
        &self,
        user: &User,
        (mut person, revision): (Person, Revision),
        begun: Begun,
        source: IpAddr,
    ) -> Result<(), InventoryError> {
        person.begun = Some(begun);
        let batch = put(Batch::new(), user, &person, revision);
        self.store.commit(batch.audit(event("user.setup.begin", user, source))).await?;
        Ok(())
    }

    /// The first code was right: what was begun is in force from now on, and the token is spent.
    pub async fn finish_setup(
        &self,
        found: &FoundToken,
        user: &User,
        (mut person, revision): (Person, Revision),
        factors: Factors,
        spent: TokenUse,
    ) -> Result<(), InventoryError> {
        let source = spent.source;
        person.begun = None;
        person.factors = Some(factors);
        let batch = put(found.spend(spent, Batch::new()), user, &person, revision);
        self.store.commit(batch.audit(event("user.setup", user, source))).await?;
        Ok(())
    }

    /// The batch that goes with the certificates of a login: the code is used up, or nothing happens.
    pub fn login_batch(
        &self,
        user: &User,
        (mut person, revision): (Person, Revision),
        last_step: u64,
        login: LastLogin,
    ) -> Batch {
        let event = event("user.login", user, login.source);
        if let Some(factors) = &mut person.factors {
            factors.last_step = last_step;
            factors.last = Some(login);
        }
        put(Batch::new(), user, &person, revision).audit(event)
    }

    /// Uses a code up that was right, for a connection. Refused as changed where somebody was faster.
    pub async fn use_code(
        &self,
        user: &User,
        (mut person, revision): (Person, Revision),
        last_step: u64,
        source: IpAddr,
    ) -> Result<(), InventoryError> {
        if let Some(factors) = &mut person.factors {
            factors.last_step = last_step;
        }
        let batch = put(Batch::new(), user, &person, revision);
        self.store.commit(batch.audit(event("user.mfa", user, source))).await?;
        Ok(())
    }

    /// Takes away what a person has beyond being a user, with the user.
    pub(super) fn without_person(&self, batch: Batch, user: &User) -> Result<Batch, InventoryError> {
        let batch = match self.person(user)? {
            Some((person, _)) => self.without_setup_token(batch, &person)?,
            None => batch,
        };
        Ok(batch.delete(Keyspace::People, user.name.as_str().as_bytes()))
    }

    /// Removes the set-up token, where nobody uses it in the meantime.
    fn without_setup_token(&self, batch: Batch, person: &Person) -> Result<Batch, InventoryError> {
        let Some(key) = person.token.as_ref().map(String::as_bytes) else { return Ok(batch) };
        let Some((_, revision)) = self.token_at(key)? else { return Ok(batch) };
        let batch = batch.require(Keyspace::Tokens, key, Precondition::Revision(revision));
        Ok(batch.delete(Keyspace::Tokens, key))
    }
}

/// Adds a set-up token, and a record that knows no password.
pub(super) fn with_setup(batch: Batch, user: &User, token: &FreshToken, operator: &Operator) -> Batch {
    let key = String::from_utf8_lossy(&token.key()).into_owned();
    let person = Person { id: user.id, token: Some(key), begun: None, factors: None };
    let batch = batch.put(Keyspace::People, user.name.as_str().as_bytes(), record::encode(&person));
    token.add_to(batch, operator)
}

/// What a set-up token of this user is good for.
pub(super) fn purpose(user: &User) -> TokenPurpose {
    TokenPurpose::User { user: user.name.clone(), id: user.id }
}

fn put(batch: Batch, user: &User, person: &Person, revision: Revision) -> Batch {
    let key = user.name.as_str().as_bytes();
    batch
        .require(Keyspace::Users, key, Precondition::Present)
        .require(Keyspace::People, key, Precondition::Revision(revision))
        .put(Keyspace::People, key, record::encode(person))
}

fn event(kind: &str, user: &User, source: IpAddr) -> AuditEntry {
    let name = user.name.as_str();
    AuditEntry::new(kind)
        .with("actor", name)
        .with("outcome", "ok")
        .with("subject", name)
        .with("source", source.to_string())
}
