//! Bots that join with id tokens, and the tokens that were used: each is good once.

use jiff::{SignedDuration, Timestamp};
use mezite_api::UserName;
use mezite_api::oidc::{IdTokenSubject, OidcTrust};
use mezite_store::{Batch, Keyspace, Precondition, Revision};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::instance::REPLAY_TIME;
use super::{BotRecord, record};
use crate::inventory::tokens::hex;
use crate::inventory::{Inventory, InventoryError, TokenUse};

/// Bots that are looked at to find whose an id token is.
const MAX_BOTS: usize = 100_000;
/// Used tokens that are looked at with each join, to forget those that have ended.
const MAX_FORGOTTEN: usize = 64;

/// A bot that joins with id tokens.
#[derive(Debug, Clone)]
pub struct OidcBot {
    /// Its name.
    pub name: UserName,
    /// Its identity.
    pub id: Uuid,
    /// Whose tokens it takes.
    pub trust: OidcTrust,
    /// The revision of its record.
    pub revision: Revision,
}

/// What is kept of an id token that was used, until it has ended.
#[derive(Debug, Serialize, Deserialize)]
struct UsedIdToken {
    /// Until when the token could be shown again.
    until: Timestamp,
    /// The bot that it let join.
    bot: UserName,
    used: TokenUse,
}

/// An id token that is right and was not used when it was looked at.
#[derive(Debug, Clone)]
pub struct FreshIdToken {
    /// What it is remembered by.
    pub once: [u8; 32],
    /// When it ends.
    pub expires: Timestamp,
    /// The bot that it lets join.
    pub bot: UserName,
    /// The revision of the bot's record that says so.
    pub revision: Revision,
    /// Who joins.
    pub subject: IdTokenSubject,
}

impl FreshIdToken {
    /// Marks it as used, where nobody else has in the meantime.
    pub(in crate::inventory) fn spend(&self, used: TokenUse, batch: Batch) -> Batch {
        let key = key(&self.once);
        // Whoever asks again has to be recognised also when the token has ended.
        let replay = SignedDuration::try_from(REPLAY_TIME).unwrap_or_default();
        let until = self.expires.max(used.at).saturating_add(replay).unwrap_or(Timestamp::MAX);
        let record = UsedIdToken { until, bot: self.bot.clone(), used };
        let bot = self.bot.as_str().as_bytes();
        batch
            .require(Keyspace::Bots, bot, Precondition::Revision(self.revision))
            .require(Keyspace::IdTokens, &key, Precondition::Absent)
            .put(Keyspace::IdTokens, &key, record::encode(&record))
    }
}

impl Inventory {
    /// The bots that take id tokens of this issuer; only the named one where one is named. Blocks.
    pub fn oidc_bots(&self, issuer: &str, named: Option<&UserName>) -> Result<Vec<OidcBot>, InventoryError> {
        let stored = match named {
            Some(name) => {
                let key = name.as_str().as_bytes();
                self.store
                    .get(Keyspace::Bots, key)?
                    .map(|stored| (key.to_vec(), stored))
                    .into_iter()
                    .collect()
            }
            None => self.store.prefix(Keyspace::Bots, b"", MAX_BOTS)?,
        };
        let bot = |(key, stored): (Vec<u8>, mezite_store::Versioned)| {
            let name = UserName::parse(&String::from_utf8(key).ok()?).ok()?;
            let BotRecord { id, oidc, .. } = record::decode(&stored.value)?;
            let trust = oidc?;
            let meant = trust.issuer.as_ref().is_none_or(|own| own == issuer);
            meant.then_some(OidcBot { name, id, trust, revision: stored.revision })
        };
        Ok(stored.into_iter().filter_map(bot).collect())
    }

    /// The use of an id token that was used, and the bot that joined with it.
    pub fn id_token_use(&self, once: &[u8; 32]) -> Result<Option<(UserName, TokenUse)>, InventoryError> {
        let key = key(once);
        let Some(stored) = self.store.get(Keyspace::IdTokens, &key)? else { return Ok(None) };
        let used: UsedIdToken = record::read("id token", &String::from_utf8_lossy(&key), &stored, |_| true)?;
        Ok(Some((used.bot, used.used)))
    }

    /// Removes used tokens that have ended: those that lie where this one will. The keys are digests, so all are met
    /// in time.
    pub(super) fn without_ended_id_tokens(
        &self,
        mut batch: Batch,
        token: &FreshIdToken,
    ) -> Result<Batch, InventoryError> {
        let now = Timestamp::now();
        let key = key(&token.once);
        let neighbours = key.get(..2).unwrap_or_default();
        for (key, stored) in self.store.prefix(Keyspace::IdTokens, neighbours, MAX_FORGOTTEN)? {
            if record::decode::<UsedIdToken>(&stored.value).is_some_and(|used| used.until < now) {
                batch = batch.delete(Keyspace::IdTokens, &key);
            }
        }
        Ok(batch)
    }
}

fn key(once: &[u8; 32]) -> Vec<u8> {
    hex(once).into_bytes()
}
