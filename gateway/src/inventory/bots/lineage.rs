//! Instances in the store: how they begin, move on, and are shut out when two holders are seen.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use mezite_access::Issuance;
use mezite_api::oidc::IdTokenSubject;
use mezite_api::{Lock, LockTarget, UserName, escape};
use mezite_store::{AuditEntry, Batch, Keyspace, Precondition, Revision, Versioned};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::instance::{Instance, Shown, Standing};
use super::oidc::FreshIdToken;
use super::{instances_prefix, record};
use crate::audit::GATEWAY;
use crate::inventory::actor::Message;
use crate::inventory::locks;
use crate::inventory::{Credential, FoundToken, Inventory, InventoryError, Refusal, TokenUse};

/// Instances that are forgotten with one join: those whose certificates cannot even be renewed any more.
const FORGET: usize = 64;
/// How often a confirmation is tried when somebody else changes the instance.
const TRIES: usize = 4;

/// What lets an instance begin, and is spent by it.
#[derive(Debug)]
pub enum Admission {
    /// A join token.
    Token(FoundToken),
    /// An id token.
    IdToken(FreshIdToken),
}

impl Admission {
    fn spend(&self, used: TokenUse, batch: Batch) -> Batch {
        match self {
            Self::Token(token) => token.spend(used, batch),
            Self::IdToken(token) => token.spend(used, batch),
        }
    }

    /// Who joins, where it is said.
    pub fn subject(&self) -> Option<&IdTokenSubject> {
        match self {
            Self::Token(_) => None,
            Self::IdToken(token) => Some(&token.subject),
        }
    }

    /// Adds to the event of the join how it was done.
    fn describe(&self, event: AuditEntry) -> AuditEntry {
        let Some(subject) = self.subject() else { return event.with("method", "token") };
        let claims: Map<String, Value> =
            subject.claims.iter().map(|(name, value)| (escape(name), escape(value).into())).collect();
        let event =
            event.with("method", "oidc").with("issuer", escape(&subject.issuer)).with("claims", claims);
        match &subject.subject {
            Some(subject) => event.with("joined_as", escape(subject)),
            None => event,
        }
    }
}

/// What a bot may be given now.
#[derive(Debug, Clone)]
pub struct BotTerms {
    /// The bot's identity.
    pub id: Uuid,
    /// How long its certificates live, before the roles cut it.
    pub ttl: Duration,
    /// What its roles say about certificates.
    pub issuance: Issuance,
}

impl BotTerms {
    /// How long its certificates live.
    pub fn lifetime(&self) -> Duration {
        self.ttl.min(self.issuance.max_session_ttl)
    }
}

impl Inventory {
    /// What a bot may be given now, at this address, for this instance, and for the certificate that it shows. Refused where
    /// nothing may be issued.
    pub async fn bot_terms(
        &self,
        bot: &UserName,
        source: IpAddr,
        instance: Option<Uuid>,
        shown: Option<Credential>,
    ) -> Result<BotTerms, Refusal> {
        let asked = bot.clone();
        let (user, issuance) =
            self.decision(|reply| Message::BotIssuance(asked, source, instance, shown, reply)).await?;
        let (record, _) = self.bot_record(&user).map_err(|error| unavailable(&error))?;
        Ok(BotTerms { id: user.id, ttl: record.ttl, issuance })
    }

    /// One instance, with the revision of its record.
    pub fn instance(&self, bot: &UserName, id: Uuid) -> Result<Option<(Instance, Revision)>, InventoryError> {
        let key = instance_key(bot, id);
        let stored = self.store.get(Keyspace::Instances, &key)?;
        stored.map(|stored| read(&String::from_utf8_lossy(&key), &stored)).transpose()
    }

    /// Begins a lineage: what admits it is spent in the same commit. `forget`: instances that ended before then go.
    pub async fn open_instance(
        &self,
        admission: &Admission,
        instance: &Instance,
        used: TokenUse,
        events: Vec<AuditEntry>,
        forget: Timestamp,
    ) -> Result<(), InventoryError> {
        let key = instance_key(&instance.bot, instance.id);
        let mut batch = admission
            .spend(used, Batch::new())
            .require(Keyspace::Users, instance.bot.as_str().as_bytes(), Precondition::Present)
            .require(Keyspace::Instances, &key, Precondition::Absent)
            .put(Keyspace::Instances, &key, record::encode(instance));
        let prefix = instances_prefix(&instance.bot);
        let mut forgotten = 0;
        for (key, stored) in self.store.prefix(Keyspace::Instances, &prefix, super::MAX_INSTANCES)? {
            let dead = record::decode::<Instance>(&stored.value).is_some_and(|old| old.expires() < forget);
            if dead && forgotten < FORGET {
                forgotten += 1;
                batch = batch
                    .require(Keyspace::Instances, &key, Precondition::Revision(stored.revision))
                    .delete(Keyspace::Instances, &key);
            }
        }
        if let Admission::IdToken(token) = admission {
            batch = self.without_ended_id_tokens(batch, token)?;
        }
        let joined = event("bot.join", instance, instance.joined_from).with("forgotten", forgotten);
        let joined = admission.describe(joined);
        batch = events.into_iter().chain([joined]).fold(batch, Batch::audit);
        self.store.commit(batch).await?;
        Ok(())
    }

    /// Puts an instance that has moved on, where nobody else has moved it since that revision.
    pub async fn advance_instance(
        &self,
        instance: &Instance,
        revision: Revision,
        events: Vec<AuditEntry>,
    ) -> Result<(), InventoryError> {
        let key = instance_key(&instance.bot, instance.id);
        let batch = Batch::new().require(Keyspace::Instances, &key, Precondition::Revision(revision)).put(
            Keyspace::Instances,
            &key,
            record::encode(instance),
        );
        self.store.commit(events.into_iter().fold(batch, Batch::audit)).await?;
        Ok(())
    }

    /// Looks at a certificate of a bot that has come in and confirms its pair where this is its first use.
    pub async fn admit(&self, bot: &UserName, shown: &Shown, source: IpAddr) -> Result<(), Refusal> {
        for _ in 0..TRIES {
            let now = Timestamp::now();
            let (mut instance, revision) = self
                .instance(bot, shown.instance)
                .map_err(|error| unavailable(&error))?
                .ok_or(Refusal::Generation)?;
            match instance.standing(shown, now) {
                Standing::Current | Standing::Late => return Ok(()),
                Standing::Contradicted => return Err(Refusal::Generation),
                Standing::Pending => {}
            }
            instance.confirm(source, now);
            let confirmed = event("bot.confirm", &instance, source);
            match self.advance_instance(&instance, revision, vec![confirmed]).await {
                Ok(()) => return Ok(()),
                Err(InventoryError::Changed) => {}
                Err(error) => return Err(unavailable(&error)),
            }
        }
        Err(Refusal::Unavailable("the instance changes all the time".into()))
    }

    /// Two holders of one lineage were seen: the instance is locked, and the event names both addresses. Where it is
    /// locked already only the event is written.
    pub async fn contradicted(
        &self,
        instance: &Instance,
        shown: &Shown,
        source: IpAddr,
    ) -> Result<(), InventoryError> {
        let target = LockTarget::Instance(instance.id);
        let mismatch = event("bot.generation.mismatch", instance, source)
            .with("outcome", "refused")
            .with("reason", "generation")
            .with("shown", shown.generation)
            .with("other_source", instance.last_source.to_string());
        let mut batch = Batch::new().audit(mismatch).essential();
        if !self.locks()?.iter().any(|lock| lock.target == target) {
            let lock = Lock {
                id: Uuid::new_v4(),
                target,
                message: Some(format!(
                    "its certificate is in two hands ({} and {source}); give it a new join token",
                    instance.last_source
                )),
                created: Timestamp::now(),
                expires: None,
                created_by: GATEWAY.to_owned(),
            };
            batch = locks::add_to(batch, &lock, GATEWAY.into());
        }
        self.store.commit(batch).await?;
        Ok(())
    }
}

/// An event about an instance.
pub(super) fn event(kind: &str, instance: &Instance, source: IpAddr) -> AuditEntry {
    AuditEntry::new(kind)
        .with("actor", instance.bot.as_str())
        .with("subject", instance.bot.as_str())
        .with("outcome", "ok")
        .with("instance", instance.id.to_string())
        .with("generation", instance.generation())
        .with("source", source.to_string())
}

pub(super) fn read(key: &str, stored: &Versioned) -> Result<(Instance, Revision), InventoryError> {
    let right = |instance: &Instance| key == format!("{}/{}", instance.bot, instance.id.hyphenated());
    Ok((record::read("instance", &escape(key), stored, right)?, stored.revision))
}

/// The key of an instance.
pub(in crate::inventory) fn instance_key(bot: &UserName, id: Uuid) -> Vec<u8> {
    format!("{bot}/{}", id.hyphenated()).into_bytes()
}

fn unavailable(error: &InventoryError) -> Refusal {
    Refusal::Unavailable(error.to_string())
}
