//! Whether the process lives and whether it is ready, for those who watch it.

use std::sync::Arc;

use mezite_api::{Problem, ProblemCode};

use super::App;
use crate::http::app::Answer;
use crate::http::request::{Method, Request};
use crate::http::response::Response;
use crate::shared::Shared;

const TEXT: &str = "text/plain; charset=utf-8";

pub(super) fn add(app: &mut App, shared: &Arc<Shared>) {
    app.route(Method::Get, "/healthz", shared, healthz);
    app.route(Method::Get, "/readyz", shared, readyz);
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
