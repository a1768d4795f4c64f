//! Decisions, explained.

use std::sync::Arc;

use mezite_api::{Target, UserName};

use super::Admin;
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::request::{Method, Request};
use crate::http::response::Response;
use crate::inventory::Operator;

pub(super) fn add(admin: &mut Admin<'_>) {
    admin.route(Method::Get, "/v1/access/explain", explain);
}

async fn explain(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let user = UserName::parse(request.query.get("user").unwrap_or_default())?;
    let target = Target::parse(request.query.get("target").unwrap_or_default())?;
    Ok(Response::json(200, &services.inventory.explain(user, target).await?))
}
