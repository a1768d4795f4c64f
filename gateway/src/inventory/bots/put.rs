//! Bots as documents describe them.

use jiff::Timestamp;
use mezite_api::bot::{Bot, BotPut, DEFAULT_TTL};
use mezite_api::user::UserKind;
use mezite_api::{Invalid, User, UserName};
use mezite_store::{Batch, Keyspace, Precondition, Revision};
use uuid::Uuid;

use super::super::{Inventory, InventoryError, Operator, record};
use super::{BotRecord, check_keys};

/// A bot that is there: its user, and the record beside it.
type Found = (User, BotRecord, Revision);

impl Inventory {
    /// Makes or replaces a bot as it is described. A token, the trust in an issuer, and instances that are there stay.
    pub async fn put_bot(
        &self,
        operator: &Operator,
        name: UserName,
        put: BotPut,
    ) -> Result<Bot, InventoryError> {
        put.check()?;
        check_keys(put.oidc.as_ref())?;
        let found = self.found_for(&name, &put)?;
        let mut user = User {
            id: Uuid::new_v4(),
            name,
            kind: UserKind::Bot,
            roles: put.roles,
            logins: put.logins,
            traits: put.traits,
            disabled: put.disabled,
            created: Timestamp::now(),
            revision: 0,
        };
        let mut bot =
            BotRecord { id: user.id, ttl: put.ttl.unwrap_or(DEFAULT_TTL), token: None, oidc: put.oidc };
        let (mut kind, mut precondition, mut batch) = ("bot.create", Precondition::Absent, Batch::new());
        let key = user.name.as_str().as_bytes().to_vec();
        if let Some((old, record, revision)) = found {
            // It says who may become this bot: with the instances that there are it makes no sense.
            if bot.oidc.is_some() && bot.oidc != record.oidc {
                return Err(Invalid::new("oidc", "cannot be changed: remove the bot and add it again").into());
            }
            (user.id, user.created) = (old.id, old.created);
            (bot.id, bot.token, bot.oidc) = (record.id, record.token, record.oidc);
            (kind, precondition) = ("bot.update", Precondition::Revision(old.revision));
            batch = batch.require(Keyspace::Bots, &key, Precondition::Revision(revision));
        }
        let batch = batch.put(Keyspace::Bots, &key, record::encode(&bot));
        let user = self.put_user(batch, user, precondition, operator, kind).await?;
        self.described(&user, &bot, &self.locks()?)
    }

    /// What is to be replaced; nothing where a bot is to be made.
    fn found_for(&self, name: &UserName, put: &BotPut) -> Result<Option<Found>, InventoryError> {
        let user = match self.bot_user(name) {
            Err(InventoryError::NotFound(_)) if put.revision.is_none() => return Ok(None),
            Err(InventoryError::NotFound(_)) => return Err(InventoryError::Changed),
            found => found?,
        };
        if !put.replace {
            return Err(InventoryError::Exists("user or bot"));
        }
        if put.revision.is_some_and(|revision| revision != user.revision) {
            return Err(InventoryError::Changed);
        }
        let (record, revision) = self.bot_record(&user)?;
        Ok(Some((user, record, revision)))
    }
}
