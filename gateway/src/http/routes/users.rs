//! Users.

use std::sync::Arc;

use mezite_access::{Resource, Verb};
use mezite_actors::blocking;
use mezite_api::person::{SetupToken, UserAdded};
use mezite_api::user::UserUpdate;
use mezite_api::{Problem, UserName};

use super::Api;
use super::bots::{auth_server, printed};
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::page::Paging;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::{PAGED, Route};
use crate::http::schema;
use crate::inventory::{FreshToken, Operator};
use crate::shared::Shared;

pub(super) fn add(api: &mut Api<'_>) {
    api.rule(Route::get("/v1/users", "Lists users by name").query(PAGED), (Resource::User, Verb::List), list);
    api.rule(
        Route::post("/v1/users", "Adds a person, with a set-up token where one is asked for")
            .takes(schema::user_add)
            .creates(),
        (Resource::User, Verb::Create),
        create,
    );
    api.rule(Route::get("/v1/users/:user", "Shows a user"), (Resource::User, Verb::Read), get);
    api.rule(
        Route::patch("/v1/users/:user", "Changes a user").takes(schema::user_update),
        (Resource::User, Verb::Update),
        update,
    );
    api.rule(Route::delete("/v1/users/:user", "Removes a user"), (Resource::User, Verb::Delete), remove);
    api.rule(
        Route::post("/v1/users/:user/reset", "Makes a set-up token; the password that there was is void")
            .takes(schema::user_reset)
            .creates(),
        (Resource::User, Verb::Rotate),
        reset,
    );
}

async fn list(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let paging = Paging::of(&request, services.shared.authority.cursor_key())?;
    let inventory = services.inventory.clone();
    let users = blocking::run(move || inventory.users()).await?;
    Ok(paging.cut(users, |user| user.name.to_string()))
}

async fn get(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let user = services.inventory.user(&named(&request)?)?;
    Ok(Response::revised(200, &user, user.revision))
}

async fn create(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let (user, token) = services.inventory.add_user(&operator, request.json()?).await?;
    let setup = token.map(|token| issued(&services.shared, &user.name, &token));
    let revision = user.revision;
    Ok(Response::revised(201, &UserAdded { user, setup }, revision))
}

async fn reset(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let name = named(&request)?;
    let token = services.inventory.reset_user(&operator, &name, request.json()?).await?;
    Ok(Response::json(201, &issued(&services.shared, &name, &token)))
}

async fn update(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let (name, mut update): (_, UserUpdate) = (named(&request)?, request.json()?);
    let wanted = request.revision(update.revision)?;
    update.revision = wanted.revision;
    let user = services.inventory.update_user(&operator, &name, update).await;
    let user = user.map_err(|error| wanted.unmet(error.into()))?;
    Ok(Response::revised(200, &user, user.revision))
}

async fn remove(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let wanted = request.revision(None)?;
    let removed = services.inventory.remove_user(&operator, &named(&request)?, wanted.revision).await;
    removed.map_err(|error| wanted.unmet(error.into()))?;
    Ok(Response::no_content())
}

fn issued(shared: &Shared, user: &UserName, token: &FreshToken) -> SetupToken {
    SetupToken {
        user: user.clone(),
        token: printed(shared, token),
        expires: token.record.expires,
        proxy: auth_server(shared),
    }
}

fn named(request: &Request) -> Result<UserName, Problem> {
    Ok(UserName::parse(request.param("user"))?)
}
