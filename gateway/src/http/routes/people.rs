//! What people ask for before they have a certificate: their set-up, and logging in.

use std::sync::Arc;

use super::Api;
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::Route;
use crate::http::schema;
use crate::people;

pub(super) fn add(api: &mut Api<'_>) {
    api.open(
        Route::post("/v1/users/setup", "Begins the set-up of a person, for a token")
            .takes(schema::setup_begin)
            .creates(),
        begin,
    );
    api.open(
        Route::post("/v1/users/setup/confirm", "Completes the set-up of a person, with the first code")
            .takes(schema::setup_confirm)
            .creates(),
        confirm,
    );
    api.open(
        Route::post("/v1/login", "Gives certificates for password and code")
            .takes(schema::login_request)
            .creates(),
        login,
    );
}

async fn begin(services: Arc<Services>, request: Request) -> Answer {
    let source = request.caller.source();
    Ok(Response::json(201, &people::begin(&services, request.json()?, source).await?))
}

async fn confirm(services: Arc<Services>, request: Request) -> Answer {
    let source = request.caller.source();
    Ok(Response::json(201, &people::confirm(&services, request.json()?, source).await?))
}

async fn login(services: Arc<Services>, request: Request) -> Answer {
    let source = request.caller.source();
    Ok(Response::json(201, &people::login(&services, request.json()?, source).await?))
}
