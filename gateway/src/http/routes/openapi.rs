//! The description of the API, made from the table of routes.

use std::sync::Arc;

use super::Api;
use crate::http::openapi;
use crate::http::response::Response;
use crate::http::route::Route;

/// Adds the route after all others: it describes those that are there.
pub(super) fn add(api: &mut Api<'_>) {
    let own = Route::get("/v1/openapi.json", "Describes this API (OpenAPI 3.1)");
    let routes: Vec<Route> = api.app.routes().iter().chain([&own]).copied().collect();
    let document: Arc<Vec<u8>> = Arc::new(openapi::document(&routes).to_string().into_bytes());
    api.app.route(own, &document, |document, _| async move {
        Ok(Response::ok("application/json", document.as_ref().clone()))
    });
}
