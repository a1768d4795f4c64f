//! The first certificates of an instance, for a token.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use mezite_api::bot::{Credentials, JoinRequest, TokenState};
use mezite_api::{Invalid, Problem, ProblemCode, UserName, duration};
use mezite_ca::{PublicKey, Statement, Token};
use mezite_store::AuditEntry;
use uuid::Uuid;

use super::guesses::Verdict;
use super::oidc::RefusedIdToken;
use super::{TRIES, credentials, not_issued, proven_key};
use crate::authority::BotOrder;
use crate::connection::Services;
use crate::inventory::{Admission, Instance, InventoryError, Pending, Refusal, TokenPurpose, TokenUse};

/// One request, its proof verified.
pub(super) struct Asked {
    pub(super) key: PublicKey,
    pub(super) request: Uuid,
    pub(super) renewal_interval: Option<Duration>,
    pub(super) source: IpAddr,
}

/// Why there was no answer.
pub(super) enum Failure {
    /// The token is refused, with the reason for the audit.
    Token(&'static str, Option<Uuid>),
    /// The id token is.
    IdToken(RefusedIdToken),
    /// Somebody else has changed what it is about: look again.
    Raced,
    /// Anything else.
    Problem(Problem),
}

impl<P: Into<Problem>> From<P> for Failure {
    fn from(problem: P) -> Self {
        Self::Problem(problem.into())
    }
}

impl Failure {
    /// What whoever asks is told, once it is written down.
    pub(super) async fn told(self, services: &Services, source: IpAddr) -> Problem {
        match self {
            Self::Token(reason, id) => refused(services, source, reason, id).await,
            Self::IdToken(refused) => refused.told(services, source).await,
            Self::Raced => {
                Problem::new(ProblemCode::Unavailable, "the bot is being changed all the time; try again")
            }
            Self::Problem(problem) => problem,
        }
    }
}

/// Answers with the certificates of a new instance, or with those of the same request before.
pub async fn join(services: &Services, wanted: JoinRequest, source: IpAddr) -> Result<Credentials, Problem> {
    let Ok(token) = Token::parse(wanted.token.expose()) else {
        return Err(refused(services, source, "malformed", None).await);
    };
    let (request, digest) = (wanted.request.to_string(), token.digest());
    let statement = Statement::Join { request: &request, token: &digest };
    // Before anything is looked up: what is wrong with the proof says nothing about the token.
    let key = proven_key(&wanted.public_key, &statement, &wanted.proof)?;
    let renewal_interval = wanted.renewal_interval;
    let asked = Asked { key, request: wanted.request, renewal_interval, source };
    for _ in 0..TRIES {
        match attempt(services, &asked, &token).await {
            Ok(credentials) => return Ok(credentials),
            Err(Failure::Raced) => {}
            Err(failure) => return Err(failure.told(services, source).await),
        }
    }
    Err(Failure::Raced.told(services, source).await)
}

async fn attempt(services: &Services, asked: &Asked, token: &Token) -> Result<Credentials, Failure> {
    let found = services.inventory.find_token(token)?.ok_or(Failure::Token("unknown", None))?;
    let id = Some(found.record.id);
    let TokenPurpose::Bot { bot, id: bot_id } = found.record.purpose.clone() else {
        return Err(Failure::Token("kind", id));
    };
    if !found.record.permits(asked.source) {
        return Err(Failure::Token("source", id));
    }
    if let Some(spent) = found.record.used_by(asked.request) {
        return replayed(services, asked, &bot, spent).await?.ok_or(Failure::Token("spent", id));
    }
    match found.record.state() {
        TokenState::Spent => return Err(Failure::Token("spent", id)),
        TokenState::Expired => return Err(Failure::Token("expired", id)),
        TokenState::Open => {}
    }
    let admitted = admit(services, asked, &bot, bot_id, Admission::Token(found)).await?;
    admitted.ok_or(Failure::Token("other_bot", id))
}

/// The certificates of a new instance of a bot; nothing where there is no such bot any more.
pub(super) async fn admit(
    services: &Services,
    asked: &Asked,
    bot: &UserName,
    bot_id: Uuid,
    admission: Admission,
) -> Result<Option<Credentials>, Failure> {
    let now = Timestamp::now();
    let terms = match services.inventory.bot_terms(bot, asked.source, None, None).await {
        Ok(terms) if terms.id == bot_id => terms,
        Ok(_) | Err(Refusal::UnknownUser) => return Ok(None),
        Err(refusal) => return Err(not_issued(services, bot, asked.source, &refusal).await.into()),
    };
    check_interval(asked.renewal_interval, terms.lifetime())?;
    let instance = Uuid::new_v4();
    let order = BotOrder {
        bot: bot.clone(),
        terms,
        key: asked.key.clone(),
        instance,
        generation: 1,
        source: asked.source,
    };
    let signed = services.shared.authority.sign_pair(order).await?;
    let pending = Pending {
        pair: signed.pair,
        request: asked.request,
        at: now,
        certificate: signed.certificate,
        tls_certificate: signed.tls_certificate,
    };
    let instance = Instance {
        id: instance,
        bot: bot.clone(),
        bot_id,
        current: None,
        pending: Some(pending.clone()),
        former: None,
        joined: now,
        joined_from: asked.source,
        joined_as: admission.subject().cloned(),
        last_seen: now,
        last_source: asked.source,
    };
    begin(services, asked, &admission, &instance, signed.event).await?;
    Ok(Some(credentials(services, &instance, &pending).await?))
}

/// Who renews too late would be without certificates; said before the token is spent.
fn check_interval(interval: Option<Duration>, lifetime: Duration) -> Result<(), Invalid> {
    match interval {
        Some(interval) if interval >= lifetime => Err(Invalid::new(
            "renewal_interval",
            format!("must be shorter than the certificates live, which is {}", duration::format(lifetime)),
        )),
        _ => Ok(()),
    }
}

/// Spends what admits the bot and keeps the instance.
async fn begin(
    services: &Services,
    asked: &Asked,
    admission: &Admission,
    instance: &Instance,
    event: AuditEntry,
) -> Result<(), Failure> {
    let used = TokenUse {
        at: instance.joined,
        source: asked.source,
        request: asked.request,
        key: asked.key.fingerprint(),
        made: instance.id,
    };
    let window = SignedDuration::try_from(services.shared.config.recovery_window).unwrap_or_default();
    let forget = instance.joined.saturating_sub(window).unwrap_or(Timestamp::MIN);
    match services.inventory.open_instance(admission, instance, used, vec![event], forget).await {
        Err(InventoryError::Changed) => Err(Failure::Raced),
        other => Ok(other?),
    }
}

/// The same request with the same key has lost its answer: it is given again.
pub(super) async fn replayed(
    services: &Services,
    asked: &Asked,
    bot: &UserName,
    spent: &TokenUse,
) -> Result<Option<Credentials>, Failure> {
    let key = asked.key.fingerprint();
    if spent.request != asked.request || spent.key != key {
        return Ok(None);
    }
    let Some((instance, _)) = services.inventory.instance(bot, spent.made)? else { return Ok(None) };
    let pending = instance.pending.as_ref();
    let Some(pending) = pending.filter(|pending| {
        pending.pair.generation == 1 && pending.answers(asked.request, &key, Timestamp::now())
    }) else {
        return Ok(None);
    };
    if let Err(refusal) = services.inventory.bot_terms(bot, asked.source, Some(instance.id), None).await {
        return Err(not_issued(services, bot, asked.source, &refusal).await.into());
    }
    Ok(Some(credentials(services, &instance, pending).await?))
}

/// Every refused token reads the same. The audit knows why.
pub(crate) async fn refused(
    services: &Services,
    source: IpAddr,
    reason: &str,
    token: Option<Uuid>,
) -> Problem {
    let described = |event: AuditEntry| match token {
        Some(token) => event.with("token", token.to_string()),
        None => event,
    };
    write_down(services, source, reason, described).await.unwrap_or_else(|| {
        Problem::new(
            ProblemCode::Unauthenticated,
            "the token is not accepted: it was used, has expired, or was replaced. Ask for a new one",
        )
    })
}

/// Counts a refused token of any kind and writes it down; what to say where there were too many.
pub(super) async fn write_down(
    services: &Services,
    source: IpAddr,
    reason: &str,
    describe: impl FnOnce(AuditEntry) -> AuditEntry,
) -> Option<Problem> {
    let verdict = services.guesses.refused(source, Instant::now());
    let kind = if verdict == Verdict::Enough { "token.throttle" } else { "token.refuse" };
    if verdict != Verdict::More {
        let event = AuditEntry::new(kind)
            .with("outcome", "refused")
            .with("source", source.to_string())
            .with("reason", reason);
        services.shared.auditor.record_refusal(describe(event)).await;
    }
    match verdict {
        Verdict::Wrong => None,
        Verdict::Enough | Verdict::More => {
            Some(Problem::new(ProblemCode::Throttled, "too many tokens were refused from your address; wait"))
        }
    }
}
