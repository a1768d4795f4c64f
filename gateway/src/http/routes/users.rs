//! Users.

use std::sync::Arc;

use mezite_actors::blocking;
use mezite_api::{Problem, UserName};

use super::Admin;
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::request::{Method, Request};
use crate::http::response::Response;
use crate::inventory::Operator;

pub(super) fn add(admin: &mut Admin<'_>) {
    admin.route(Method::Get, "/v1/users", list);
    admin.route(Method::Post, "/v1/users", create);
    admin.route(Method::Get, "/v1/users/:user", get);
    admin.route(Method::Patch, "/v1/users/:user", update);
    admin.route(Method::Delete, "/v1/users/:user", remove);
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
