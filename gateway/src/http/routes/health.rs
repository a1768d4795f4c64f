//! Whether the process lives and whether it is ready, for those who watch it.

use std::sync::Arc;

use mezite_api::{Problem, ProblemCode};

use super::Api;
use crate::http::app::Answer;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::Route;
use crate::shared::Shared;

const TEXT: &str = "text/plain; charset=utf-8";

pub(super) fn add(api: &mut Api<'_>) {
    api.public(Route::get("/healthz", "Says that the process lives").answers(TEXT), healthz);
    api.public(Route::get("/readyz", "Says whether everything listens").answers(TEXT), readyz);
}

async fn healthz(_: Arc<Shared>, _: Request) -> Answer {
    Ok(Response::ok(TEXT, "ok\n"))
}

async fn readyz(shared: Arc<Shared>, _: Request) -> Answer {
    if shared.is_ready() {
        Ok(Response::ok(TEXT, "ready\n"))
    } else {
        Err(Problem::new(ProblemCode::Unavailable, "starting or stopping"))
    }
}
