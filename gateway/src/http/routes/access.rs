//! Decisions, explained.

use std::sync::Arc;

use mezite_access::{Resource, Verb};
use mezite_api::{Target, UserName};

use super::Api;
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::Route;
use crate::inventory::Operator;

pub(super) fn add(api: &mut Api<'_>) {
    api.rule(
        Route::get("/v1/access/explain", "Says what would be decided for a user, and why")
            .query(&[("user", "The user"), ("target", "LOGIN@NODE")]),
        (Resource::Role, Verb::Read),
        explain,
    );
}

async fn explain(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let user = UserName::parse(request.query.get("user").unwrap_or_default())?;
    let target = Target::parse(request.query.get("target").unwrap_or_default())?;
    Ok(Response::json(200, &services.inventory.explain(user, target).await?))
}
