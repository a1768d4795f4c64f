//! Locks.

use std::sync::Arc;

use mezite_access::{Resource, Verb};
use mezite_actors::blocking;
use mezite_api::lock::LockAdd;
use mezite_api::{Invalid, Problem};
use uuid::Uuid;

use super::{Api, rights};
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::page::{Paging, ordered};
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::{PAGED, Route};
use crate::http::schema;
use crate::inventory::Operator;

pub(super) fn add(api: &mut Api<'_>) {
    api.rule(
        Route::get("/v1/locks", "Lists the locks that are in force").query(PAGED),
        (Resource::Lock, Verb::List),
        list,
    );
    api.rule(
        Route::post("/v1/locks", "Adds a lock").takes(schema::lock_add).creates(),
        (Resource::Lock, Verb::Create),
        create,
    );
    api.rule(
        Route::get("/v1/locks/:lock", "Shows a lock that is in force"),
        (Resource::Lock, Verb::Read),
        get,
    );
    api.rule(Route::delete("/v1/locks/:lock", "Removes a lock"), (Resource::Lock, Verb::Delete), remove);
}

async fn list(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let paging = Paging::of(&request, services.shared.authority.cursor_key())?;
    let inventory = services.inventory.clone();
    let locks = blocking::run(move || inventory.locks()).await?;
    Ok(paging.cut(locks, |lock| ordered(Some(lock.created), lock.id)))
}

async fn create(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let add: LockAdd = request.json()?;
    if add.replace {
        // Whoever replaces a lock can weaken it.
        rights::administrator(&services, &request, Resource::Lock, Verb::Delete).await?;
    }
    Ok(Response::json(201, &services.inventory.add_lock(&operator, add).await?))
}

async fn get(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    Ok(Response::json(200, &services.inventory.lock(named(&request)?)?))
}

async fn remove(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    services.inventory.remove_lock(&operator, named(&request)?).await?;
    Ok(Response::no_content())
}

fn named(request: &Request) -> Result<Uuid, Problem> {
    Ok(Uuid::try_parse(request.param("lock")).map_err(|_| Invalid::new("lock", "must be a UUID"))?)
}
