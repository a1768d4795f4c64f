//! What who asks can reach.

use std::sync::Arc;

use mezite_api::Labels;

use super::{Api, rights};
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::page::Paging;
use crate::http::request::Request;
use crate::http::route::Route;
use crate::inventory::{Filter, Operator};

const LIST: &[(&str, &str)] = &[
    ("labels", "Only nodes that have all these labels: key=value,key2=value2"),
    ("search", "Only nodes with this text in their name or in a label key=value, whatever its case"),
    ("limit", "At most so many items, from 1 to 1000"),
    ("cursor", "Where the page before has ended, from its Link field"),
];

pub(super) fn add(api: &mut Api<'_>) {
    let route = Route::get("/v1/reachable", "Lists the nodes that who asks may log in to, with the logins");
    api.identified(route.query(LIST), list);
}

async fn list(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let subject = rights::subject(&request)?;
    let labels = Labels::parse(request.query.get("labels").unwrap_or_default())?;
    let filter = Filter::new(labels, request.query.get("search").unwrap_or_default())?;
    let paging = Paging::of(&request, services.shared.authority.cursor_key())?;
    let reach = match services.inventory.reach(subject).await {
        Ok(reach) => reach,
        Err(refusal) => return Err(rights::refuse(&services, &refusal, &request).await),
    };
    let page = services.inventory.reachable(reach, filter, paging.after.clone(), paging.limit).await?;
    Ok(paging.page(&page.nodes, page.next.as_deref()))
}
