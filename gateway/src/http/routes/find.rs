//! What anybody may know of the gateway before they trust it, where Teleport's tools look for it.

use std::sync::Arc;

use serde_json::json;

use super::Api;
use crate::http::app::Answer;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::Route;
use crate::shared::Shared;

pub(super) fn add(api: &mut Api<'_>) {
    for path in ["/webapi/find", "/v1/webapi/find"] {
        api.public(Route::get(path, "Says which version of the programs suits this gateway"), find);
    }
}

async fn find(_: Arc<Shared>, _: Request) -> Answer {
    Ok(Response::json(200, &json!({ "server_version": env!("CARGO_PKG_VERSION") })))
}
