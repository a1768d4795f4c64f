//! The next certificates of an instance, and the word that they have arrived.

use std::net::IpAddr;

use jiff::Timestamp;
use mezite_api::bot::{Credentials, RenewRequest};
use mezite_api::{Problem, ProblemCode, UserName};
use mezite_ca::{PublicKey, Statement};
use mezite_store::{AuditEntry, Revision};
use uuid::Uuid;

use super::{TRIES, credentials, not_issued, proven_key};
use crate::authority::BotOrder;
use crate::connection::Services;
use crate::inventory::{BotTerms, Credential, Instance, InventoryError, Pending, Refusal, Shown, Standing};

/// Who holds a client certificate that was verified in the handshake.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The bot.
    pub bot: UserName,
    /// The certificate.
    pub shown: Shown,
    /// What it is known by where it was revoked.
    pub credential: Credential,
    /// Where the connection comes from.
    pub source: IpAddr,
}

/// An instance that may go on.
struct Going {
    instance: Instance,
    revision: Revision,
    terms: BotTerms,
}

/// Answers with the next pair. Roles are read now; what is not used yet is replaced.
pub async fn renew(
    services: &Services,
    holder: &Holder,
    wanted: RenewRequest,
) -> Result<Credentials, Problem> {
    let (request, instance) = (wanted.request.to_string(), holder.shown.instance.to_string());
    let statement =
        Statement::Renew { request: &request, instance: &instance, generation: holder.shown.generation };
    let key = proven_key(&wanted.public_key, &statement, &wanted.proof)?;
    for _ in 0..TRIES {
        let Going { mut instance, revision, terms } = going(services, holder).await?;
        let now = Timestamp::now();
        if instance.standing(&holder.shown, now) == Standing::Pending {
            instance.confirm(holder.source, now);
        } else if let Some(pending) = &instance.pending
            && pending.answers(wanted.request, &key.fingerprint(), now)
        {
            return credentials(services, &instance, pending).await;
        }
        let (pending, issued) = next(services, holder, &instance, terms, &key, wanted.request).await?;
        instance.give(pending.clone(), holder.source);
        let events = vec![issued, event("bot.renew", holder, &instance)];
        match services.inventory.advance_instance(&instance, revision, events).await {
            Err(InventoryError::Changed) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => return credentials(services, &instance, &pending).await,
        }
    }
    Err(busy())
}

/// Signs the pair that follows.
async fn next(
    services: &Services,
    holder: &Holder,
    instance: &Instance,
    terms: BotTerms,
    key: &PublicKey,
    request: Uuid,
) -> Result<(Pending, AuditEntry), Problem> {
    let exhausted = || Problem::new(ProblemCode::Forbidden, "the instance has no generation left");
    let order = BotOrder {
        bot: holder.bot.clone(),
        terms,
        key: key.clone(),
        instance: instance.id,
        generation: instance.generation().checked_add(1).ok_or_else(exhausted)?,
        source: holder.source,
    };
    let signed = services.shared.authority.sign_pair(order).await?;
    let pending = Pending {
        pair: signed.pair,
        request,
        at: Timestamp::now(),
        certificate: signed.certificate,
        tls_certificate: signed.tls_certificate,
    };
    Ok((pending, signed.event))
}

/// Takes the word of an instance that its new pair is on disk: the pair before is not needed any more.
pub async fn acknowledge(services: &Services, holder: &Holder) -> Result<(), Problem> {
    for _ in 0..TRIES {
        let Going { mut instance, revision, .. } = going(services, holder).await?;
        let now = Timestamp::now();
        if instance.standing(&holder.shown, now) != Standing::Pending {
            return Ok(());
        }
        instance.confirm(holder.source, now);
        let events = vec![event("bot.confirm", holder, &instance)];
        match services.inventory.advance_instance(&instance, revision, events).await {
            Err(InventoryError::Changed) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(()),
        }
    }
    Err(busy())
}

/// The instance of a holder who is not locked and whose certificate is the current one or the pending one. Any other
/// certificate means that there are two holders.
async fn going(services: &Services, holder: &Holder) -> Result<Going, Problem> {
    let Holder { bot, shown, credential, source } = holder;
    let terms = services.inventory.bot_terms(bot, *source, Some(shown.instance), Some(credential.clone()));
    let terms = match terms.await {
        Ok(terms) => terms,
        Err(refusal) => return Err(not_issued(services, bot, *source, &refusal).await),
    };
    let found = services.inventory.instance(bot, shown.instance)?;
    let Some((instance, revision)) = found.filter(|(instance, _)| instance.bot_id == terms.id) else {
        return Err(not_issued(services, bot, *source, &Refusal::Generation).await);
    };
    match instance.standing(shown, Timestamp::now()) {
        Standing::Current | Standing::Pending => Ok(Going { instance, revision, terms }),
        Standing::Late | Standing::Contradicted => Err(two_holders(services, holder, &instance).await),
    }
}

/// Locks the instance; the lock cuts what lives of it.
async fn two_holders(services: &Services, holder: &Holder, instance: &Instance) -> Problem {
    if let Err(error) = services.inventory.contradicted(instance, &holder.shown, holder.source).await {
        return error.into();
    }
    log::warn!(bot:% = holder.bot, instance:% = instance.id; "an identity is in two hands: its instance is locked");
    Problem::new(
        ProblemCode::Locked,
        "this identity is in two hands: another holder has renewed it. The instance was locked; \
         find out who, and join again with a new token",
    )
}

fn event(kind: &str, holder: &Holder, instance: &Instance) -> AuditEntry {
    AuditEntry::new(kind)
        .with("actor", holder.bot.as_str())
        .with("subject", holder.bot.as_str())
        .with("outcome", "ok")
        .with("instance", instance.id.to_string())
        .with("generation", instance.generation())
        .with("source", holder.source.to_string())
}

fn busy() -> Problem {
    Problem::new(ProblemCode::Unavailable, "the instance is being changed all the time; try again")
}
