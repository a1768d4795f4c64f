//! Revoked certificates and keys.

use std::sync::Arc;

use mezite_access::{Resource, Verb};
use mezite_actors::blocking;
use mezite_api::revocation::RevocationAdd;
use mezite_api::{Invalid, Problem, RevocationTarget};
use mezite_ca::CaKind;
use uuid::Uuid;

use super::Api;
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
        Route::get("/v1/revocations", "Lists the revocations that are in force").query(PAGED),
        (Resource::Revocation, Verb::List),
        list,
    );
    api.rule(
        Route::post("/v1/revocations", "Revokes certificates or a key")
            .takes(schema::revocation_add)
            .creates(),
        (Resource::Revocation, Verb::Create),
        create,
    );
    api.rule(
        Route::get("/v1/revocations/:revocation", "Shows a revocation"),
        (Resource::Revocation, Verb::Read),
        get,
    );
    api.rule(
        Route::delete("/v1/revocations/:revocation", "Takes a revocation back"),
        (Resource::Revocation, Verb::Delete),
        remove,
    );
}

async fn list(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let paging = Paging::of(&request, services.shared.authority.cursor_key())?;
    let inventory = services.inventory.clone();
    let revocations = blocking::run(move || inventory.revocations()).await?;
    Ok(paging.cut(revocations, |revocation| ordered(Some(revocation.created), revocation.id)))
}

async fn create(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let add: RevocationAdd = request.json()?;
    if let RevocationTarget::Key(key) = &add.target {
        // sshd refuses every certificate by a CA key that is revoked, and so would shut out everybody.
        let trusted = services.shared.authority.trusted(CaKind::User).await?;
        if trusted.keys().iter().any(|ca| ca.key_data() == key.key_data()) {
            return Err(Invalid::new("key", "is a key of the User CA, which is rotated, not revoked").into());
        }
    }
    Ok(Response::json(201, &services.inventory.revoke(&operator, add).await?))
}

async fn get(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    Ok(Response::json(200, &services.inventory.revocation(named(&request)?)?))
}

async fn remove(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    services.inventory.unrevoke(&operator, named(&request)?).await?;
    Ok(Response::no_content())
}

fn named(request: &Request) -> Result<Uuid, Problem> {
    let id = Uuid::try_parse(request.param("revocation"));
    Ok(id.map_err(|_| Invalid::new("revocation", "must be a UUID"))?)
}
