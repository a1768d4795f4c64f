//! Bots: users of kind bot, their join tokens, and their instances.
//!
//! A bot is a user record, which decides, and a bot record beside it: the life of its certificates and its token.
//! Each join makes an [`Instance`], a lineage of certificate pairs; `lineage` moves it on.

mod instance;
mod lineage;
mod oidc;
mod put;

use std::time::Duration;

use jiff::Timestamp;
use mezite_api::bot::{self, Bot, BotAdd, BotToken, DEFAULT_TOKEN_TTL, DEFAULT_TTL, TokenRotate};
use mezite_api::oidc::OidcTrust;
use mezite_api::reusable::Reusable;
use mezite_api::user::{Traits, UserKind};
use mezite_api::{Invalid, Lock, LockTarget, User, UserName, duration};
use mezite_store::{AuditEntry, Batch, Keyspace, Precondition, Revision};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::tokens::{FreshToken, TokenPurpose};
use super::{By as _, Inventory, InventoryError, Operator, record};
use crate::oidc::KeySet;

pub(super) use instance::REPLAY_TIME;
pub use instance::{Instance, Pair, Pending, Serial, Shown, Standing};
pub(super) use lineage::instance_key;
pub use lineage::{Admission, BotTerms};
pub use oidc::{FreshIdToken, OidcBot};

/// The most instances of a bot that are listed, or removed with it.
const MAX_INSTANCES: usize = 8 * 1024;

/// What a bot has beyond being a user.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct BotRecord {
    /// The user's identity.
    id: Uuid,
    /// How long its certificates live.
    #[serde(with = "duration::text")]
    ttl: Duration,
    /// The key of its token's record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// Whose id tokens it joins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    oidc: Option<OidcTrust>,
}

/// Whether keys that are given are any.
fn check_keys(trust: Option<&OidcTrust>) -> Result<(), Invalid> {
    let Some(jwks) = trust.and_then(|trust| trust.jwks.as_ref()) else { return Ok(()) };
    KeySet::parse(jwks).map(drop).map_err(|error| Invalid::new("jwks", error.to_string()))
}

impl Inventory {
    /// Adds a bot with a join token, or one that joins with id tokens. The name must be free and every role must exist.
    pub async fn add_bot(
        &self,
        operator: &Operator,
        add: BotAdd,
    ) -> Result<(Bot, Option<FreshToken>), InventoryError> {
        add.check()?;
        check_keys(add.oidc.as_ref())?;
        let user = User {
            id: Uuid::new_v4(),
            name: add.name,
            kind: UserKind::Bot,
            roles: add.roles,
            logins: Vec::new(),
            traits: Traits::new(),
            disabled: false,
            created: Timestamp::now(),
            revision: 0,
        };
        let token = match add.oidc {
            Some(_) => None,
            None => Some(fresh_token(&user, add.token_ttl, add.reusable, operator)?),
        };
        let record = BotRecord {
            id: user.id,
            ttl: add.ttl.unwrap_or(DEFAULT_TTL),
            token: token.as_ref().map(text),
            oidc: add.oidc,
        };
        // Whatever an earlier bot of this name has left behind is not this one's.
        let batch = Batch::new().put(Keyspace::Bots, user.name.as_str().as_bytes(), record::encode(&record));
        let batch = token.iter().fold(batch, |batch, token| token.add_to(batch, operator));
        let user = self.put_user(batch, user, Precondition::Absent, operator, "bot.create").await?;
        Ok((self.described(&user, &record, &self.locks()?)?, token))
    }

    /// All bots by name.
    pub fn bots(&self) -> Result<Vec<Bot>, InventoryError> {
        let locks = self.locks()?;
        let users = self.users()?;
        let bots = users.iter().filter(|user| user.kind == UserKind::Bot);
        bots.map(|user| self.described(user, &self.bot_record(user)?.0, &locks)).collect()
    }

    /// One bot.
    pub fn bot(&self, name: &UserName) -> Result<Bot, InventoryError> {
        let user = self.bot_user(name)?;
        self.described(&user, &self.bot_record(&user)?.0, &self.locks()?)
    }

    /// The instances of a bot, oldest first.
    pub fn instances(&self, name: &UserName) -> Result<Vec<bot::BotInstance>, InventoryError> {
        self.bot_user(name)?;
        let locks = self.locks()?;
        let mut instances: Vec<_> =
            self.stored_instances(name)?.iter().map(|(instance, _)| shown(instance, &locks)).collect();
        instances.sort_by_key(|instance| instance.joined);
        Ok(instances)
    }

    /// Makes a new token in the place of the old one, and with `revoke` removes the instances that there are. A bot that
    /// joins with id tokens has no token: there it is for `revoke` alone.
    pub async fn rotate_token(
        &self,
        operator: &Operator,
        name: &UserName,
        rotate: TokenRotate,
    ) -> Result<(Bot, Option<FreshToken>), InventoryError> {
        rotate.check()?;
        let user = self.bot_user(name)?;
        let (mut bot, revision) = self.bot_record(&user)?;
        if bot.oidc.is_some() && !(rotate.revoke && rotate.token_ttl.is_none() && rotate.reusable.is_none()) {
            return Err(Invalid::new("bot", "joins with id tokens and has no join token").into());
        }
        let token = match bot.oidc {
            Some(_) => None,
            None => Some(fresh_token(&user, rotate.token_ttl, rotate.reusable, operator)?),
        };
        let key = name.as_str().as_bytes();
        let mut batch = Batch::new().require(Keyspace::Bots, key, Precondition::Revision(revision));
        batch = self.without_token(batch, &bot)?;
        bot.token = token.as_ref().map(text);
        batch = batch.put(Keyspace::Bots, key, record::encode(&bot));
        let mut removed = 0usize;
        if rotate.revoke {
            (batch, removed) = self.without_instances(batch, name)?;
        }
        let event = event("bot.rotate", operator, name).with("revoked", removed);
        let batch = token.iter().fold(batch, |batch, token| token.add_to(batch, operator));
        self.store.commit(batch.audit(event)).await?;
        Ok((self.described(&user, &bot, &self.locks()?)?, token))
    }

    /// Removes a bot with its token and its instances, where one is wanted only at this revision.
    pub async fn remove_bot(
        &self,
        operator: &Operator,
        name: &UserName,
        revision: Option<u64>,
    ) -> Result<(), InventoryError> {
        let user = self.bot_user(name)?;
        if revision.is_some_and(|revision| revision != user.revision) {
            return Err(InventoryError::Changed);
        }
        let key = name.as_str().as_bytes();
        let mut batch = Batch::new()
            .require(Keyspace::Users, key, Precondition::Revision(user.revision))
            .delete(Keyspace::Users, key)
            .delete(Keyspace::Bots, key);
        // A bot whose own record is damaged can be removed too.
        if let Ok((bot, _)) = self.bot_record(&user) {
            batch = self.without_token(batch, &bot)?;
        }
        let (batch, removed) = self.without_instances(batch, name)?;
        self.store.commit(batch.audit(event("bot.delete", operator, name).with("revoked", removed))).await?;
        Ok(())
    }

    /// Removes the locks on a bot, or those on one of its instances; how many there were.
    pub async fn unlock_bot(
        &self,
        operator: &Operator,
        name: &UserName,
        instance: Option<Uuid>,
    ) -> Result<usize, InventoryError> {
        self.bot_user(name)?;
        let target = match instance {
            None => LockTarget::Bot(name.clone()),
            Some(id) => {
                let known = self.stored_instances(name)?.iter().any(|(instance, _)| instance.id == id);
                known.then_some(LockTarget::Instance(id)).ok_or(InventoryError::NotFound("instance"))?
            }
        };
        let locks: Vec<Lock> = self.locks()?.into_iter().filter(|lock| lock.target == target).collect();
        if locks.is_empty() {
            return Err(InventoryError::NotFound("lock"));
        }
        for lock in &locks {
            self.remove_lock(operator, lock.id).await?;
        }
        Ok(locks.len())
    }

    /// The user record of a bot.
    fn bot_user(&self, name: &UserName) -> Result<User, InventoryError> {
        let user = self.user(name).map_err(|error| match error {
            InventoryError::NotFound(_) => InventoryError::NotFound("bot"),
            other => other,
        })?;
        if user.kind == UserKind::Bot { Ok(user) } else { Err(InventoryError::NotFound("bot")) }
    }

    /// The record beside it.
    fn bot_record(&self, user: &User) -> Result<(BotRecord, Revision), InventoryError> {
        let name = user.name.as_str();
        let missing = || InventoryError::Unreadable { what: "bot", name: name.to_owned() };
        let stored = self.store.get(Keyspace::Bots, name.as_bytes())?.ok_or_else(missing)?;
        let bot = record::read("bot", name, &stored, |bot: &BotRecord| bot.id == user.id)?;
        Ok((bot, stored.revision))
    }

    /// Removes the token of a bot, where nobody uses it in the meantime.
    fn without_token(&self, batch: Batch, bot: &BotRecord) -> Result<Batch, InventoryError> {
        let Some(key) = bot.token.as_ref().map(String::as_bytes) else { return Ok(batch) };
        let Some((_, revision)) = self.token_at(key)? else { return Ok(batch) };
        let batch = batch.require(Keyspace::Tokens, key, Precondition::Revision(revision));
        Ok(batch.delete(Keyspace::Tokens, key))
    }

    fn without_instances(&self, batch: Batch, name: &UserName) -> Result<(Batch, usize), InventoryError> {
        let stored = self.store.prefix(Keyspace::Instances, &instances_prefix(name), MAX_INSTANCES)?;
        let count = stored.len();
        Ok((stored.iter().fold(batch, |batch, (key, _)| batch.delete(Keyspace::Instances, key)), count))
    }

    fn stored_instances(&self, name: &UserName) -> Result<Vec<(Instance, Revision)>, InventoryError> {
        let stored = self.store.prefix(Keyspace::Instances, &instances_prefix(name), MAX_INSTANCES)?;
        let read = |(key, stored): &(Vec<u8>, _)| lineage::read(&String::from_utf8_lossy(key), stored);
        stored.iter().map(read).collect()
    }

    fn described(&self, user: &User, bot: &BotRecord, locks: &[Lock]) -> Result<Bot, InventoryError> {
        let token = bot.token.as_ref().map(|key| self.token_at(key.as_bytes())).transpose()?.flatten();
        let token = token.map(|(token, _)| BotToken {
            state: token.state(),
            expires: token.expires,
            reusable: token.reuse().map(|(terms, _)| terms.clone()),
            uses_left: token.reuse().map(|(_, left)| left),
        });
        let prefix = instances_prefix(&user.name);
        Ok(Bot {
            id: user.id,
            name: user.name.clone(),
            roles: user.roles.clone(),
            logins: user.logins.clone(),
            traits: user.traits.clone(),
            ttl: bot.ttl,
            disabled: user.disabled,
            locked: locks.iter().any(|lock| lock.target == LockTarget::Bot(user.name.clone())),
            token,
            oidc: bot.oidc.clone(),
            instances: self.store.prefix(Keyspace::Instances, &prefix, MAX_INSTANCES)?.len(),
            created: user.created,
            revision: user.revision,
        })
    }
}

fn shown(instance: &Instance, locks: &[Lock]) -> bot::BotInstance {
    bot::BotInstance {
        id: instance.id,
        bot: instance.bot.clone(),
        generation: instance.generation(),
        pending: instance.pending.as_ref().map(|pending| pending.pair.generation),
        expires: instance.expires(),
        joined: instance.joined,
        joined_from: instance.joined_from,
        joined_as: instance.joined_as.clone(),
        last_seen: instance.last_seen,
        last_source: instance.last_source,
        locked: locks.iter().any(|lock| lock.target == LockTarget::Instance(instance.id)),
    }
}

/// No name has a `/`: neighbours of a bot are never meant.
fn instances_prefix(bot: &UserName) -> Vec<u8> {
    format!("{bot}/").into_bytes()
}

/// A join token of a bot, for one use unless it is said.
fn fresh_token(
    bot: &User,
    ttl: Option<Duration>,
    terms: Option<Reusable>,
    operator: &Operator,
) -> Result<FreshToken, InventoryError> {
    let purpose = TokenPurpose::Bot { bot: bot.name.clone(), id: bot.id };
    Ok(FreshToken::new(purpose, ttl.unwrap_or(DEFAULT_TOKEN_TTL), operator)?.reusable(terms))
}

fn text(token: &FreshToken) -> String {
    String::from_utf8_lossy(&token.key()).into_owned()
}

fn event(kind: &str, operator: &Operator, bot: &UserName) -> AuditEntry {
    AuditEntry::new(kind).by(operator).with("outcome", "ok").with("subject", bot.as_str())
}
