//! Bots, and how their instances get certificates.

use std::sync::Arc;

use mezite_access::{Resource, Verb};
use mezite_actors::blocking;
use mezite_api::bot::{Bot, BotIssued, BotLock, BotPut, BotUnlock, IssuedToken};
use mezite_api::{Problem, ProblemCode, SecretText, UserName};
use mezite_ca::ClientIdentity;
use zeroize::Zeroizing;

use super::{Api, rights};
use crate::bots::{self, Holder};
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::caller::TlsClient;
use crate::http::page::{Paging, ordered};
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::{PAGED, Route};
use crate::http::schema;
use crate::inventory::{FreshToken, InventoryError, Operator, Serial, Shown};
use crate::shared::Shared;

/// The port for clients' credentials, among those that are listened at.
const AUTH_PORT: u16 = 3025;

pub(super) fn add(api: &mut Api<'_>) {
    bots(api);
    locks(api);
    certificates(api);
}

/// What is done with bots.
fn bots(api: &mut Api<'_>) {
    use Resource::Bot;
    api.rule(Route::get("/v1/bots", "Lists bots by name").query(PAGED), (Bot, Verb::List), list);
    api.rule(
        Route::post("/v1/bots", "Adds a bot with a join token, or with whose id tokens it joins")
            .takes(schema::bot_add)
            .creates(),
        (Bot, Verb::Create),
        create,
    );
    api.rule(Route::get("/v1/bots/:bot", "Shows a bot"), (Bot, Verb::Read), get);
    api.rule(
        Route::put("/v1/bots/:bot", "Makes or replaces a bot without a join token").takes(schema::bot_put),
        (Bot, Verb::Update),
        put,
    );
    api.rule(Route::delete("/v1/bots/:bot", "Removes a bot and its instances"), (Bot, Verb::Delete), remove);
    api.rule(
        Route::get("/v1/bots/:bot/instances", "Lists the instances of a bot, oldest first").query(PAGED),
        (Bot, Verb::Read),
        instances,
    );
    api.rule(
        Route::post("/v1/bots/:bot/token", "Replaces the join token").takes(schema::token_rotate).creates(),
        (Bot, Verb::Rotate),
        rotate,
    );
}

/// Locks on them by name.
fn locks(api: &mut Api<'_>) {
    api.rule(
        Route::post("/v1/bots/:bot/lock", "Locks a bot").takes(schema::bot_lock).creates(),
        (Resource::Lock, Verb::Create),
        lock,
    );
    api.rule(
        Route::post("/v1/bots/:bot/unlock", "Unlocks a bot or an instance")
            .takes(schema::bot_unlock)
            .answers_nothing(),
        (Resource::Lock, Verb::Delete),
        unlock,
    );
}

/// What their instances ask for.
fn certificates(api: &mut Api<'_>) {
    api.open(
        Route::post("/v1/bots/join", "Gives the first certificates for a token")
            .takes(schema::join)
            .creates(),
        join,
    );
    api.open(
        Route::post("/v1/bots/join/oidc", "Gives the first certificates for an id token")
            .takes(schema::oidc_join)
            .creates(),
        join_oidc,
    );
    api.certified(
        Route::post("/v1/bots/renew", "Gives the next certificates").takes(schema::renew).creates(),
        renew,
    );
    api.certified(
        Route::post("/v1/bots/ack", "Says that the certificates have arrived").answers_nothing(),
        acknowledge,
    );
}

async fn list(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let paging = Paging::of(&request, services.shared.authority.cursor_key())?;
    let inventory = services.inventory.clone();
    let bots = blocking::run(move || inventory.bots()).await?;
    Ok(paging.cut(bots, |bot| bot.name.to_string()))
}

async fn get(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let bot = services.inventory.bot(&named(&request)?)?;
    Ok(Response::revised(200, &bot, bot.revision))
}

async fn create(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let (bot, token) = services.inventory.add_bot(&operator, request.json()?).await?;
    Ok(Response::json(201, &issued(&services.shared, bot, token.as_ref())))
}

async fn put(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let (name, mut put): (_, BotPut) = (named(&request)?, request.json()?);
    let wanted = request.revision(put.revision)?;
    put.revision = wanted.revision;
    match services.inventory.bot(&name) {
        // Nothing else is replaced than what was found: one that is gone by then is not made without the right to.
        Ok(found) if put.replace => put.revision = put.revision.or(Some(found.revision)),
        Ok(_) => return Err(InventoryError::Exists("user or bot").into()),
        Err(_) => {
            rights::administrator(&services, &request, Resource::Bot, Verb::Create).await?;
        }
    }
    let bot = services.inventory.put_bot(&operator, name, put).await;
    let bot = bot.map_err(|error| wanted.unmet(error.into()))?;
    Ok(Response::revised(200, &bot, bot.revision))
}

async fn remove(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let (bot, wanted) = (named(&request)?, request.revision(None)?);
    let removed = services.inventory.remove_bot(&operator, &bot, wanted.revision).await;
    removed.map_err(|error| wanted.unmet(error.into()))?;
    Ok(Response::no_content())
}

async fn instances(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let paging = Paging::of(&request, services.shared.authority.cursor_key())?;
    let (bot, inventory) = (named(&request)?, services.inventory.clone());
    let instances = blocking::run(move || inventory.instances(&bot)).await?;
    Ok(paging.cut(instances, |instance| ordered(Some(instance.joined), instance.id)))
}

async fn rotate(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let (name, rotate): (_, mezite_api::bot::TokenRotate) = (named(&request)?, request.json()?);
    let (bot, token) = services.inventory.rotate_token(&operator, &name, rotate).await?;
    Ok(Response::json(201, &issued(&services.shared, bot, token.as_ref())))
}

async fn lock(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let (name, wanted): (_, BotLock) = (named(&request)?, request.json()?);
    services.inventory.bot(&name)?;
    let lock = services.inventory.add_lock(&operator, wanted.on(name.clone())).await?;
    Ok(Response::json(201, &lock))
}

async fn unlock(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let (name, wanted): (_, BotUnlock) = (named(&request)?, request.json()?);
    services.inventory.unlock_bot(&operator, &name, wanted.instance).await?;
    Ok(Response::no_content())
}

async fn join(services: Arc<Services>, request: Request) -> Answer {
    let source = request.caller.source();
    Ok(Response::json(201, &bots::join(&services, request.json()?, source).await?))
}

async fn join_oidc(services: Arc<Services>, request: Request) -> Answer {
    let source = request.caller.source();
    Ok(Response::json(201, &bots::join_oidc(&services, request.json()?, source).await?))
}

async fn renew(services: Arc<Services>, client: Arc<TlsClient>, request: Request) -> Answer {
    Ok(Response::json(201, &bots::renew(&services, &holder(&client)?, request.json()?).await?))
}

async fn acknowledge(services: Arc<Services>, client: Arc<TlsClient>, _: Request) -> Answer {
    bots::acknowledge(&services, &holder(&client)?).await?;
    Ok(Response::no_content())
}

/// Who holds the certificate, where it is a bot's.
fn holder(client: &TlsClient) -> Result<Holder, Problem> {
    let no_bot = || Problem::new(ProblemCode::Forbidden, "this is for bots");
    let certificate = &client.certificate;
    let ClientIdentity::Bot { bot, generation, instance } = &certificate.identity else {
        return Err(no_bot());
    };
    Ok(Holder {
        bot: UserName::parse(bot).map_err(|_| no_bot())?,
        shown: Shown::new(instance, *generation, Serial::Tls(certificate.serial)).ok_or_else(no_bot)?,
        credential: client.credential(),
        source: client.source.ip().to_canonical(),
    })
}

fn issued(shared: &Shared, bot: Bot, token: Option<&FreshToken>) -> BotIssued {
    BotIssued {
        bot,
        token: token
            .map(|token| IssuedToken { token: printed(shared, token), expires: token.record.expires }),
        auth_server: auth_server(shared),
        ca_pin: shared.authority.tls_pin().to_string(),
    }
}

/// A token as its holder gets it: with the pin of the gateway behind it.
pub(super) fn printed(shared: &Shared, token: &FreshToken) -> SecretText {
    let pin = shared.authority.tls_pin();
    Zeroizing::new(format!("{}.{}", *token.token.secret(), pin.suffix())).into()
}

/// Where clients get their credentials: the first public name, and the port for them where it is served.
pub(super) fn auth_server(shared: &Shared) -> String {
    let ports = shared.addresses.get().map(|known| known.https.clone()).unwrap_or_default();
    let ports: Vec<u16> = ports.iter().map(std::net::SocketAddr::port).collect();
    let port = ports.iter().find(|port| **port == AUTH_PORT).or(ports.first()).copied();
    let host = shared.config.public_addr.first().map(String::as_str).unwrap_or_default();
    bots::host_port(host, port.unwrap_or(AUTH_PORT))
}

fn named(request: &Request) -> Result<UserName, Problem> {
    Ok(UserName::parse(request.param("bot"))?)
}
