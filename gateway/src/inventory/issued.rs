//! Which certificates were issued, from the audit log: there alone it is written down.

use jiff::{SignedDuration, Timestamp};
use mezite_api::UserName;
use mezite_store::{AuditEvent, AuditFilter, ReadError, Store};
use serde_json::{Map, Value};

use super::revoked::issued;

/// No user certificate lives longer, with what clocks may differ by.
const LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24 + 1);
/// So many pages of the newest events are searched for one number.
const PAGES: usize = 20;

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Issued {
    /// To whom.
    pub(super) subject: String,
    /// When it ends.
    pub(super) until: Timestamp,
    /// It is a host's.
    pub(super) host: bool,
}

/// Numbers and ends of the certificates that a user was issued before a moment and that are still valid. Blocks.
pub(super) fn issued_to(
    store: &Store,
    user: &UserName,
    before: Timestamp,
) -> Result<Vec<(u64, Timestamp)>, ReadError> {
    let now = Timestamp::now();
    let mut filter = AuditFilter { user: Some(user.to_string()), ..issued_since(now) };
    let mut found = Vec::new();
    loop {
        let page = store.audit_page(&filter)?;
        for fields in page.events.iter().filter_map(AuditEvent::fields) {
            let Some((serial, issued)) = read(&fields) else { continue };
            let theirs = !issued.host && issued.subject == user.as_str() && made_before(&fields, before);
            if theirs && issued.until > now {
                found.push((serial, issued.until));
            }
        }
        match page.more {
            Some(seq) => filter.after_seq = seq,
            None => return Ok(found),
        }
    }
}

/// The certificate of a number, where it is among the newest. Blocks.
pub(super) fn issued_serial(store: &Store, wanted: u64, now: Timestamp) -> Result<Option<Issued>, ReadError> {
    let mut filter = AuditFilter { tail: true, ..issued_since(now) };
    for _ in 0..PAGES {
        let page = store.audit_page(&filter)?;
        let fields = page.events.iter().filter_map(AuditEvent::fields);
        let found = fields.filter_map(|fields| read(&fields)).find(|(serial, _)| *serial == wanted);
        match (found, page.more) {
            (Some((_, issued)), _) => return Ok(Some(issued)),
            (None, Some(seq)) => filter.before_seq = Some(seq),
            (None, None) => break,
        }
    }
    Ok(None)
}

fn issued_since(now: Timestamp) -> AuditFilter {
    AuditFilter {
        kind: Some("cert.issue".to_owned()),
        since: now.saturating_sub(LONGEST).ok(),
        ..AuditFilter::default()
    }
}

fn read(fields: &Map<String, Value>) -> Option<(u64, Issued)> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let issued = Issued {
        subject: text("subject").unwrap_or_default().to_owned(),
        until: text("valid_before")?.parse().ok()?,
        host: text("kind") == Some("host"),
    };
    Some((fields.get("serial")?.as_u64()?, issued))
}

/// Older events do not say from when the certificate is valid; theirs is the time of the event.
fn made_before(fields: &Map<String, Value>, before: Timestamp) -> bool {
    let time = |name: &str| fields.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok());
    time("valid_after").map(issued).or_else(|| time("time")).is_none_or(|made| made < before)
}
