//! Join and set-up tokens.

use std::sync::Arc;

use mezite_access::{Resource, Verb};
use mezite_actors::blocking;
use mezite_api::Invalid;
use mezite_api::token::TokenIssued;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Api, bots};
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::page::{Paging, ordered};
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::{PAGED, Route};
use crate::http::schema;
use crate::inventory::Operator;

pub(super) fn add(api: &mut Api<'_>) {
    use Resource::Token;
    api.rule(Route::get("/v1/tokens", "Lists tokens, oldest first").query(PAGED), (Token, Verb::List), list);
    api.rule(
        Route::post("/v1/tokens", "Makes a join token for a node").takes(schema::token_add).creates(),
        (Token, Verb::Create),
        create,
    );
    api.rule(Route::delete("/v1/tokens/:token", "Removes a token"), (Token, Verb::Delete), remove);
}

async fn list(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let paging = Paging::of(&request, services.shared.authority.cursor_key())?;
    let inventory = services.inventory.clone();
    let tokens = blocking::run(move || inventory.tokens()).await?;
    Ok(paging.cut(tokens, |token| ordered(Some(token.created), token.id)))
}

async fn create(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let token = services.inventory.add_token(&operator, request.json()?).await?;
    let pin = services.shared.authority.tls_pin();
    let printed = Zeroizing::new(format!("{}.{}", *token.token.secret(), pin.suffix()));
    let issued = TokenIssued {
        info: token.record.info(),
        token: printed.into(),
        server: bots::auth_server(&services.shared),
        ca_pin: pin.to_string(),
    };
    Ok(Response::json(201, &issued))
}

async fn remove(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let id = Uuid::try_parse(request.param("token"));
    let id = id.map_err(|_| Invalid::new("token", "must be the id of a token, as lists show it"))?;
    services.inventory.remove_token(&operator, id).await?;
    Ok(Response::no_content())
}
