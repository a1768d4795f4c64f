//! Users.

use std::sync::Arc;

use mezite_access::{Resource, Verb};
use mezite_actors::blocking;
use mezite_api::{Problem, UserName};

use super::Api;
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::Route;
use crate::inventory::Operator;

pub(super) fn add(api: &mut Api<'_>) {
    api.rule(Route::get("/v1/users", "Lists users by name"), (Resource::User, Verb::List), list);
    api.rule(Route::post("/v1/users", "Adds a person"), (Resource::User, Verb::Create), create);
    api.rule(Route::get("/v1/users/:user", "Shows a user"), (Resource::User, Verb::Read), get);
    api.rule(Route::patch("/v1/users/:user", "Changes a user"), (Resource::User, Verb::Update), update);
    api.rule(Route::delete("/v1/users/:user", "Removes a user"), (Resource::User, Verb::Delete), remove);
}

async fn list(services: Arc<Services>, _: Operator, _: Request) -> Answer {
    let users = blocking::run(move || services.inventory.users()).await?;
    Ok(Response::json(200, &users))
}

async fn get(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    Ok(Response::json(200, &services.inventory.user(&named(&request)?)?))
}

async fn create(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    Ok(Response::json(201, &services.inventory.add_user(&operator, request.json()?).await?))
}

async fn update(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let (user, update) = (named(&request)?, request.json()?);
    Ok(Response::json(200, &services.inventory.update_user(&operator, &user, update).await?))
}

async fn remove(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    services.inventory.remove_user(&operator, &named(&request)?).await?;
    Ok(Response::no_content())
}

fn named(request: &Request) -> Result<UserName, Problem> {
    Ok(UserName::parse(request.param("user"))?)
}
