//! Locks.

use std::sync::Arc;

use mezite_access::{Resource, Verb};
use mezite_actors::blocking;
use mezite_api::Invalid;
use uuid::Uuid;

use super::Api;
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::Route;
use crate::inventory::Operator;

pub(super) fn add(api: &mut Api<'_>) {
    api.rule(
        Route::get("/v1/locks", "Lists the locks that are in force"),
        (Resource::Lock, Verb::List),
        list,
    );
    api.rule(Route::post("/v1/locks", "Adds a lock"), (Resource::Lock, Verb::Create), create);
    api.rule(Route::delete("/v1/locks/:lock", "Removes a lock"), (Resource::Lock, Verb::Delete), remove);
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
