//! The first certificates of an instance, for an id token.

use std::net::IpAddr;

use jiff::Timestamp;
use mezite_actors::blocking;
use mezite_api::bot::Credentials;
use mezite_api::oidc::{HttpsUrl, IdTokenSubject, OidcJoinRequest, OidcTrust};
use mezite_api::{Problem, ProblemCode, UserName, escape};
use mezite_ca::Statement;

use super::join::{Asked, Failure, admit, replayed, write_down};
use super::{TRIES, proven_key};
use crate::connection::Services;
use crate::inventory::{Admission, FreshIdToken, OidcBot};
use crate::oidc::{Claims, Fault, IdToken, KeySet};

/// Sets of keys that are tried for one token, where no bot is named.
const MAX_SOURCES: usize = 16;

/// An id token that lets nobody join, as far as it is known about whom it is.
#[derive(Debug)]
pub(super) struct RefusedIdToken {
    fault: Fault,
    bot: Option<UserName>,
    issuer: Option<String>,
}

impl From<RefusedIdToken> for Failure {
    fn from(refused: RefusedIdToken) -> Self {
        Self::IdToken(refused)
    }
}

/// A bot that takes the token, and what the token says of who joins.
struct Recognised {
    bot: OidcBot,
    claims: Claims,
    subject: IdTokenSubject,
}

/// Answers with the certificates of a new instance, or with those of the same request before.
pub async fn join_oidc(
    services: &Services,
    wanted: OidcJoinRequest,
    source: IpAddr,
) -> Result<Credentials, Problem> {
    let (request, id_token) = (wanted.request.to_string(), wanted.id_token.expose());
    let statement = Statement::OidcJoin { request: &request, id_token };
    let key = proven_key(&wanted.public_key, &statement, &wanted.proof)?;
    let renewal_interval = wanted.renewal_interval;
    let asked = Asked { key, request: wanted.request, renewal_interval, source };
    for _ in 0..TRIES {
        match attempt(services, &asked, id_token, wanted.bot.as_ref()).await {
            Ok(credentials) => return Ok(credentials),
            Err(Failure::Raced) => {}
            Err(failure) => return Err(failure.told(services, source).await),
        }
    }
    Err(Failure::Raced.told(services, source).await)
}

async fn attempt(
    services: &Services,
    asked: &Asked,
    id_token: &str,
    named: Option<&UserName>,
) -> Result<Credentials, Failure> {
    let nobody = |fault| RefusedIdToken { fault, bot: named.cloned(), issuer: None };
    let token = IdToken::parse(id_token).map_err(nobody)?;
    let Recognised { bot, claims, subject } = recognise(services, &token, named).await?;
    let issuer = token.issuer().to_owned();
    let refused = |fault| RefusedIdToken { fault, bot: Some(bot.name.clone()), issuer: Some(issuer.clone()) };
    let once = claims.once();
    // Before the times: whoever has lost the answer may ask again when the token has ended.
    if let Some((joined, used)) = services.inventory.id_token_use(&once)? {
        let same = if joined == bot.name { replayed(services, asked, &bot.name, &used).await? } else { None };
        return Ok(same.ok_or_else(|| refused(Fault::Spent))?);
    }
    claims.check_times(Timestamp::now()).map_err(&refused)?;
    let expires = claims.expires().map_err(&refused)?;
    let revision = bot.revision;
    let admission =
        Admission::IdToken(FreshIdToken { once, expires, bot: bot.name.clone(), revision, subject });
    match admit(services, asked, &bot.name, bot.id, admission).await? {
        Some(credentials) => Ok(credentials),
        None => Err(refused(Fault::Issuer).into()),
    }
}

/// The one bot that takes the token.
async fn recognise(
    services: &Services,
    token: &IdToken<'_>,
    named: Option<&UserName>,
) -> Result<Recognised, Failure> {
    let (inventory, issuer, name) = (services.inventory.clone(), token.issuer().to_owned(), named.cloned());
    let bots = blocking::run(move || inventory.oidc_bots(&issuer, name.as_ref())).await?;
    let only = if let [one] = bots.as_slice() { Some(one.name.clone()) } else { None };
    let mut verified: Vec<(OidcTrust, Result<Claims, Fault>)> = Vec::new();
    let (mut found, mut fault) = (Vec::new(), Fault::Issuer);
    for bot in bots {
        let known = verified.iter().find(|(trust, _)| same_keys(trust, &bot.trust));
        let claims = match known {
            Some((_, claims)) => claims.clone(),
            None if verified.len() >= MAX_SOURCES => continue,
            None => {
                let claims = verify(services, token, &bot.trust).await;
                verified.push((bot.trust.clone(), claims.clone()));
                claims
            }
        };
        match claims.and_then(|claims| Ok((claims.check(&bot.trust)?, claims))) {
            Ok((subject, claims)) => found.push(Recognised { bot, claims, subject }),
            Err(wrong) => fault = wrong,
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (one, _) => {
            let fault = if one.is_some() { Fault::Ambiguous } else { fault };
            let bot = named.cloned().or(only);
            Err(RefusedIdToken { fault, bot, issuer: Some(token.issuer().to_owned()) }.into())
        }
    }
}

fn same_keys(one: &OidcTrust, other: &OidcTrust) -> bool {
    (&one.jwks, &one.issuer, &one.issuer_ca) == (&other.jwks, &other.issuer, &other.issuer_ca)
}

/// What the token says, where a key that the bot trusts has signed it.
async fn verify(services: &Services, token: &IdToken<'_>, trust: &OidcTrust) -> Result<Claims, Fault> {
    if let Some(jwks) = &trust.jwks {
        return KeySet::parse(jwks).map_err(|error| Fault::NoKeys(error.to_string()))?.verify(token);
    }
    let issuer = HttpsUrl::parse(trust.issuer.as_deref().unwrap_or_default());
    let issuer = issuer.map_err(|error| Fault::NoKeys(error.to_string()))?;
    let ca = trust.issuer_ca.as_deref();
    let keys = services.issuers.keys(&issuer, ca, false).await.map_err(Fault::NoKeys)?;
    match keys.verify(token) {
        Err(Fault::UnknownKey) => {
            // It may be a new one.
            let keys = services.issuers.keys(&issuer, ca, true).await.map_err(Fault::NoKeys)?;
            keys.verify(token)
        }
        verified => verified,
    }
}

impl RefusedIdToken {
    /// Every refused token reads the same, but for what helps who has a right one. The audit knows why.
    pub(super) async fn told(self, services: &Services, source: IpAddr) -> Problem {
        let Self { fault, bot, issuer } = self;
        let throttled = write_down(services, source, fault.reason(), |event| {
            let event = fault.describe(event.with("method", "oidc"));
            let event = bot.iter().fold(event, |event, bot| event.with("subject", bot.as_str()));
            issuer.iter().fold(event, |event, issuer| event.with("issuer", escape(issuer)))
        });
        if let Some(throttled) = throttled.await {
            return throttled;
        }
        match fault {
            Fault::NoKeys(_) => Problem::new(
                ProblemCode::Unavailable,
                "the keys of the issuer cannot be fetched now; try again. The gateway's audit log says why",
            ),
            Fault::Ambiguous => Problem::new(
                ProblemCode::Unauthenticated,
                "several bots take this id token; say which one is meant with --bot",
            ),
            _ => Problem::new(
                ProblemCode::Unauthenticated,
                "the id token is not accepted: it was used, has ended, or is not what the bot asks for. The gateway's \
                 audit log says why (token.refuse)",
            ),
        }
    }
}
