//! Roles.

use std::sync::Arc;

use mezite_access::{Resource, Verb};
use mezite_actors::blocking;
use mezite_api::{Problem, RoleName};

use super::Api;
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::Route;
use crate::inventory::Operator;

pub(super) fn add(api: &mut Api<'_>) {
    api.rule(Route::get("/v1/roles", "Lists roles by name"), (Resource::Role, Verb::List), list);
    api.rule(Route::post("/v1/roles", "Makes or replaces a role"), (Resource::Role, Verb::Create), put);
    api.rule(Route::get("/v1/roles/:role", "Shows a role"), (Resource::Role, Verb::Read), get);
    api.rule(Route::delete("/v1/roles/:role", "Removes a role"), (Resource::Role, Verb::Delete), remove);
}

async fn list(services: Arc<Services>, _: Operator, _: Request) -> Answer {
    let roles = blocking::run(move || services.inventory.roles()).await?;
    Ok(Response::json(200, &roles))
}

async fn get(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    Ok(Response::json(200, &services.inventory.role(&named(&request)?)?))
}

async fn put(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    Ok(Response::json(200, &services.inventory.put_role(&operator, request.json()?).await?))
}

async fn remove(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    services.inventory.remove_role(&operator, &named(&request)?).await?;
    Ok(Response::no_content())
}

fn named(request: &Request) -> Result<RoleName, Problem> {
    Ok(RoleName::parse(request.param("role"))?)
}
