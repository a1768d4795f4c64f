//! Roles.

use std::sync::Arc;

use mezite_access::{Resource, Verb};
use mezite_actors::blocking;
use mezite_api::role::RolePut;
use mezite_api::{Problem, RoleName};

use super::Api;
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::page::Paging;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::{PAGED, Route};
use crate::http::schema;
use crate::inventory::Operator;

pub(super) fn add(api: &mut Api<'_>) {
    api.rule(Route::get("/v1/roles", "Lists roles by name").query(PAGED), (Resource::Role, Verb::List), list);
    api.rule(
        Route::post("/v1/roles", "Makes or replaces a role").takes(schema::role_put),
        (Resource::Role, Verb::Create),
        put,
    );
    api.rule(Route::get("/v1/roles/:role", "Shows a role"), (Resource::Role, Verb::Read), get);
    api.rule(Route::delete("/v1/roles/:role", "Removes a role"), (Resource::Role, Verb::Delete), remove);
}

async fn list(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let paging = Paging::of(&request, services.shared.authority.cursor_key())?;
    let inventory = services.inventory.clone();
    let roles = blocking::run(move || inventory.roles()).await?;
    // The built-in ones first.
    Ok(paging.cut(roles, |role| format!("{} {}", u8::from(!role.built_in), role.name)))
}

async fn get(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let role = services.inventory.role(&named(&request)?)?;
    Ok(Response::revised(200, &role, role.revision))
}

async fn put(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let mut put: RolePut = request.json()?;
    let wanted = request.revision(put.revision)?;
    put.revision = wanted.revision;
    let role = services.inventory.put_role(&operator, put).await;
    let role = role.map_err(|error| wanted.unmet(error.into()))?;
    Ok(Response::revised(200, &role, role.revision))
}

async fn remove(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let wanted = request.revision(None)?;
    let removed = services.inventory.remove_role(&operator, &named(&request)?, wanted.revision).await;
    removed.map_err(|error| wanted.unmet(error.into()))?;
    Ok(Response::no_content())
}

fn named(request: &Request) -> Result<RoleName, Problem> {
    Ok(RoleName::parse(request.param("role"))?)
}
