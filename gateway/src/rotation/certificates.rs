//! Which certificates keys of a CA have signed that are still valid, as the audit log knows them.

use std::collections::HashSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mezite_actors::blocking;
use mezite_api::rotation::{CaKeyInfo, CertificatesBy};
use mezite_ca::{CaKind, MAX_HOST_LIFETIME, MAX_USER_LIFETIME};
use mezite_store::{AuditFilter, ReadError, Store};
use serde_json::{Map, Value};

/// Whose are named at most.
const NAMED_MAX: usize = 100;
/// Pages of a thousand events that are read at most, the last ones first.
const PAGES_MAX: usize = 200;

/// Reads the log back as far as a certificate of the CA can live.
pub async fn certificates_by(
    store: &Store,
    ca: CaKind,
    keys: &[CaKeyInfo],
) -> Result<CertificatesBy, ReadError> {
    let (store, keys) = (store.clone(), keys.to_vec());
    blocking::run(move || read(&store, ca, &keys, Timestamp::now())).await
}

fn read(store: &Store, ca: CaKind, keys: &[CaKeyInfo], now: Timestamp) -> Result<CertificatesBy, ReadError> {
    let longest = match ca {
        CaKind::User => MAX_USER_LIFETIME,
        CaKind::Host => MAX_HOST_LIFETIME,
        // Those for nodes live in memory, minutes at most.
        CaKind::OpenSsh | CaKind::Tls => return Ok(CertificatesBy::default()),
    };
    let mut count = Count { ca, keys, now, found: CertificatesBy::default(), seen: HashSet::new() };
    let mut filter = AuditFilter {
        kind: Some("cert.issue".to_owned()),
        since: earlier(now, longest),
        tail: true,
        ..AuditFilter::default()
    };
    for _ in 0..PAGES_MAX {
        let page = store.audit_page(&filter)?;
        for event in page.events.iter().rev().filter_map(mezite_store::AuditEvent::fields) {
            count.take(&event);
        }
        match page.more {
            Some(seq) => filter.before_seq = Some(seq),
            None => return Ok(count.found),
        }
    }
    count.found.more = true;
    Ok(count.found)
}

fn earlier(now: Timestamp, by: Duration) -> Option<Timestamp> {
    now.checked_sub(SignedDuration::try_from(by).ok()?).ok()
}

struct Count<'a> {
    ca: CaKind,
    keys: &'a [CaKeyInfo],
    now: Timestamp,
    found: CertificatesBy,
    /// Instances and nodes whose newest certificate is counted.
    seen: HashSet<String>,
}

impl Count<'_> {
    /// Takes an event; the newest come first.
    fn take(&mut self, event: &Map<String, Value>) {
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        let kind = text("kind").unwrap_or_default();
        if (kind == "host") != (self.ca == CaKind::Host) {
            return;
        }
        let holder = match kind {
            "bot" => text("instance"),
            "host" => text("node_id").or_else(|| text("key")),
            _ => None,
        };
        // Of whom there is a newer one, the older is not in use any more.
        if holder.is_some_and(|holder| !self.seen.insert(holder.to_owned())) || !self.is_by_keys(event) {
            return;
        }
        let ends = text("valid_before").and_then(|ends| ends.parse::<Timestamp>().ok());
        if ends.is_none_or(|ends| ends <= self.now) {
            return;
        }
        let (counted, name) = match kind {
            "bot" => (&mut self.found.bots, text("subject")),
            "host" => (&mut self.found.hosts, first_principal(event)),
            _ => (&mut self.found.users, text("subject")),
        };
        *counted += 1;
        let name = format!("{kind} {}", mezite_api::escape(name.or(holder).unwrap_or("?")));
        if self.found.named.len() < NAMED_MAX && !self.found.named.contains(&name) {
            self.found.named.push(name);
        }
    }

    /// Events of older releases do not name the key: they are of the oldest that was there.
    fn is_by_keys(&self, event: &Map<String, Value>) -> bool {
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        let time = text("time").and_then(|time| time.parse::<Timestamp>().ok());
        let by = |key: &CaKeyInfo| match text("ca_key") {
            Some(signer) => signer == key.fingerprint,
            None => time.is_none_or(|time| time >= key.created),
        };
        self.keys.iter().any(by)
    }
}

fn first_principal(event: &Map<String, Value>) -> Option<&str> {
    event.get("principals")?.as_array()?.first()?.as_str()
}
