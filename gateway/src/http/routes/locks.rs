//! Locks.

use std::sync::Arc;

use mezite_actors::blocking;
use mezite_api::Invalid;
use uuid::Uuid;

use super::Admin;
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::request::{Method, Request};
use crate::http::response::Response;
use crate::inventory::Operator;

pub(super) fn add(admin: &mut Admin<'_>) {
    admin.route(Method::Get, "/v1/locks", list);
    admin.route(Method::Post, "/v1/locks", create);
    admin.route(Method::Delete, "/v1/locks/:lock", remove);
}

async fn list(services: Arc<Services>, _: Operator, _: Request) -> Answer {
    let locks = blocking::run(move || services.inventory.locks()).await?;
    Ok(Response::json(200, &locks))
}

async fn create(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    Ok(Response::json(201, &services.inventory.add_lock(&operator, request.json()?).await?))
}

async fn remove(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let lock = Uuid::try_parse(request.param("lock")).map_err(|_| Invalid::new("lock", "must be a UUID"))?;
    services.inventory.remove_lock(&operator, lock).await?;
    Ok(Response::no_content())
}
