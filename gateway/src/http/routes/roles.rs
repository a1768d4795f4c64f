//! Roles.

use std::sync::Arc;

use mezite_actors::blocking;
use mezite_api::{Problem, RoleName};

use super::Admin;
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::request::{Method, Request};
use crate::http::response::Response;
use crate::inventory::Operator;

pub(super) fn add(admin: &mut Admin<'_>) {
    admin.route(Method::Get, "/v1/roles", list);
    admin.route(Method::Post, "/v1/roles", put);
    admin.route(Method::Get, "/v1/roles/:role", get);
    admin.route(Method::Delete, "/v1/roles/:role", remove);
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
