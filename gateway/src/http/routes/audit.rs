//! The audit log: pages of it, and its check.

use std::str::FromStr;
use std::sync::Arc;

use mezite_access::{Resource, Verb};
use mezite_actors::blocking;
use mezite_api::audit::{AuditFault, AuditPage, AuditReport};
use mezite_api::{AuditEvent, Invalid, Problem};
use mezite_store::AuditFilter;

use super::Api;
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::page::PAGE_MAX;
use crate::http::problem;
use crate::http::request::{Query, Request};
use crate::http::response::Response;
use crate::http::route::Route;
use crate::inventory::Operator;

/// Most bytes of events on a page: a page ends early rather than growing beyond.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// What pages of events are narrowed by.
const FILTER: &[(&str, &str)] = &[
    ("type", "Only this type"),
    ("user", "Only this user, as actor or subject"),
    ("node", "Only this node"),
    ("since", "Not earlier than this moment (RFC 3339)"),
    ("after_seq", "Only events with a greater number"),
    ("limit", "At most so many events"),
];

pub(super) fn add(api: &mut Api<'_>) {
    api.rule(
        Route::get("/v1/audit/events", "Lists audit events by number").query(FILTER),
        (Resource::Audit, Verb::List),
        events,
    );
    api.rule(Route::get("/v1/audit/verify", "Checks the audit chain"), (Resource::Audit, Verb::Read), verify);
}

async fn events(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    let filter = filter(&request.query)?;
    let store = services.shared.store.clone();
    let page = blocking::run(move || store.audit_page(&filter)).await;
    Ok(Response::json(200, &bounded(page.map_err(|error| problem::read(&error))?)))
}

async fn verify(services: Arc<Services>, _: Operator, _: Request) -> Answer {
    let store = services.shared.store.clone();
    let report = blocking::run(move || store.audit_verify(..)).await;
    let report = report.map_err(|error| problem::read(&error))?;
    let fault = report.fault.map(|fault| AuditFault { seq: fault.seq, what: fault.tampering.to_string() });
    Ok(Response::json(200, &AuditReport { checked: report.checked, fault }))
}

fn filter(query: &Query) -> Result<AuditFilter, Problem> {
    let text = |name: &str| query.get(name).map(str::to_owned);
    Ok(AuditFilter {
        kind: text("type"),
        user: text("user"),
        node: text("node"),
        since: parsed(query, "since", "must be a moment as RFC 3339 has it")?,
        after_seq: parsed(query, "after_seq", "must be a number")?.unwrap_or_default(),
        limit: limit(query)?,
        ..AuditFilter::default()
    })
}

fn limit(query: &Query) -> Result<usize, Problem> {
    let limit: Option<usize> = parsed(query, "limit", "must be a number")?;
    match limit.unwrap_or(PAGE_MAX) {
        limit @ 1..=PAGE_MAX => Ok(limit),
        _ => Err(Invalid::new("limit", format!("must be from 1 to {PAGE_MAX}")).into()),
    }
}

fn parsed<T: FromStr>(
    query: &Query,
    field: &'static str,
    reason: &'static str,
) -> Result<Option<T>, Problem> {
    let parse = |text: &str| text.parse().map_err(|_| Invalid::new(field, reason).into());
    query.get(field).map(parse).transpose()
}

/// The page, cut where it would be too long.
fn bounded(page: mezite_store::AuditPage) -> AuditPage {
    let mut bytes = 0;
    let mut bounded = AuditPage { events: Vec::new(), more: page.more };
    let mut last = None;
    for event in page.events {
        bytes += event.json.len();
        if bytes > PAGE_BYTES && last.is_some() {
            bounded.more = last;
            break;
        }
        last = Some(event.seq);
        bounded.events.push(event.fields().unwrap_or_else(|| damaged(event.seq)));
    }
    bounded
}

/// What stands for an event that cannot be read any more.
fn damaged(seq: u64) -> AuditEvent {
    let mut event = AuditEvent::new();
    event.insert("seq".to_owned(), seq.into());
    event.insert("damaged".to_owned(), true.into());
    event
}

#[cfg(test)]
mod tests {
    use mezite_store::AuditEvent as Stored;

    use super::*;

    #[test]
    fn a_page_ends_before_it_grows_too_long_and_says_where_to_go_on() {
        let long = |seq| Stored { seq, json: format!("{{\"seq\":{seq},\"x\":\"{}\"}}", "y".repeat(3 << 20)) };
        let page = mezite_store::AuditPage { events: vec![long(1), long(2), long(3)], more: None };
        let bounded = bounded(page);
        assert_eq!((bounded.events.len(), bounded.more), (2, Some(2)));
    }

    #[test]
    fn a_damaged_event_is_flagged_and_hides_no_other() {
        let damaged = Stored { seq: 1, json: "{".to_owned() };
        let whole = Stored { seq: 2, json: "{\"seq\":2}".to_owned() };
        let page = bounded(mezite_store::AuditPage { events: vec![damaged, whole], more: None });
        assert_eq!(page.events[0]["damaged"], true);
        assert_eq!(page.events[1]["seq"], 2);
    }

    #[test]
    fn filters_name_the_field_that_is_wrong() {
        let error = |query: &str| filter(&Query::parse(query).unwrap()).unwrap_err().field;
        assert_eq!(error("since=yesterday").as_deref(), Some("since"));
        assert_eq!(error("limit=-1").as_deref(), Some("limit"));
    }
}
