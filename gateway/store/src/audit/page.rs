//! Pages of the audit log. The lists of the asked-for facets are walked together, so that no filter scans the log.

use heed::RoTxn;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::index::{Facet, Numbers};
use super::split;
use crate::ReadError;
use crate::environment::Tables;

/// Most events of a page.
const MAX_PAGE: usize = 1000;
/// Most steps over the lists for one page: two long lists that hardly meet end a page early instead of holding it up.
const MAX_STEPS: usize = 20_000;

/// Which events, and which page of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Exactly this type.
    pub kind: Option<String>,
    /// This user as `actor` or as `subject`; for an operator at the socket, the uid in decimal.
    pub user: Option<String>,
    /// This node, as events name it.
    pub node: Option<String>,
    /// Not earlier than this.
    pub since: Option<Timestamp>,
    /// Only events with a greater number.
    pub after_seq: u64,
    /// Only events with a lower number; the last ones of them.
    pub before_seq: Option<u64>,
    /// The last events instead of the first ones.
    pub tail: bool,
    /// At most so many; 0 and more than 1000 mean 1000.
    pub limit: usize,
}

impl AuditFilter {
    fn facets(&self) -> impl Iterator<Item = (Facet, &str)> {
        [(Facet::Type, &self.kind), (Facet::User, &self.user), (Facet::Node, &self.node)]
            .into_iter()
            .filter_map(|(facet, value)| Some((facet, value.as_deref()?)))
    }

    /// Whether an event is meant. One that cannot be read is shown rather than hidden.
    fn matches(&self, event: &AuditEvent) -> bool {
        let Some(fields) = event.fields() else { return true };
        let since = self.since.is_none_or(|since| {
            let time =
                fields.get("time").and_then(Value::as_str).and_then(|time| time.parse::<Timestamp>().ok());
            time.is_none_or(|time| time >= since)
        });
        since && self.facets().all(|(facet, wanted)| facet.values(&fields).any(|value| value == wanted))
    }
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its number.
    pub seq: u64,
    /// The JSON object as it is stored, byte for byte, unless it was damaged to what is not UTF-8.
    pub json: String,
}

impl AuditEvent {
    /// Its fields; `None` when the event is damaged.
    pub fn fields(&self) -> Option<Map<String, Value>> {
        serde_json::from_str(&self.json).ok()
    }
}

/// Events in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// May be fewer than asked for, even none, while there is more.
    pub events: Vec<AuditEvent>,
    /// There is more: ask again with this as `after_seq`, or for the last events as `before_seq`.
    pub more: Option<u64>,
}

pub(crate) fn page(txn: &RoTxn<'_>, tables: &Tables, filter: &AuditFilter) -> Result<AuditPage, ReadError> {
    let mut walk = Walk::new(txn, tables, filter)?;
    let limit = if filter.limit == 0 { MAX_PAGE } else { filter.limit.min(MAX_PAGE) };
    let mut page = AuditPage::default();
    while let Some(seq) = walk.next()? {
        if page.events.len() == limit {
            page.more = page.events.last().map(|event: &AuditEvent| event.seq);
            break;
        }
        let Some(stored) = tables.audit.get(txn, &seq.to_be_bytes())? else { continue };
        let json = split(stored).map_or(stored, |(_, json)| json);
        let event = AuditEvent { seq, json: String::from_utf8_lossy(json).into_owned() };
        if filter.matches(&event) {
            page.events.push(event);
        }
    }
    page.more = page.more.or(walk.interrupted_at);
    if walk.backwards {
        page.events.reverse();
    }
    Ok(page)
}

/// Goes through the numbers that are in every list.
struct Walk<'a> {
    txn: &'a RoTxn<'a>,
    lists: Vec<Numbers>,
    backwards: bool,
    /// The numbers not yet gone through, both ends included; `None`: none left.
    left: Option<(u64, u64)>,
    steps: usize,
    /// Where the steps ran out: the number to go on from, which itself is done.
    interrupted_at: Option<u64>,
}

impl<'a> Walk<'a> {
    fn new(txn: &'a RoTxn<'a>, tables: &Tables, filter: &AuditFilter) -> Result<Self, ReadError> {
        let mut lists: Vec<_> =
            filter.facets().map(|(facet, value)| Numbers::of(tables, facet, value)).collect();
        if lists.is_empty() {
            lists.push(Numbers::all(tables));
        }
        let since = filter.since.map_or(Ok(1), |since| first_since(txn, tables, since))?;
        let first = filter.after_seq.checked_add(1).map(|first| first.max(since));
        let last = filter.before_seq.unwrap_or(u64::MAX).checked_sub(1);
        let left = first.zip(last).filter(|(first, last)| first <= last);
        let backwards = filter.tail || filter.before_seq.is_some();
        Ok(Self { txn, lists, backwards, left, steps: 0, interrupted_at: None })
    }

    fn next(&mut self) -> Result<Option<u64>, ReadError> {
        while let Some((first, last)) = self.left {
            if self.steps >= MAX_STEPS {
                self.interrupted_at = Some(if self.backwards { last.saturating_add(1) } else { first - 1 });
                self.left = None;
                break;
            }
            let mut candidate = if self.backwards { last } else { first };
            let mut agreed = 0;
            for list in &self.lists {
                self.steps += 1;
                let found = if self.backwards {
                    list.at_or_before(self.txn, candidate)?.filter(|found| *found >= first)
                } else {
                    list.at_or_after(self.txn, candidate)?.filter(|found| *found <= last)
                };
                let Some(found) = found else {
                    self.left = None;
                    return Ok(None);
                };
                if found != candidate {
                    agreed = 0;
                    candidate = found;
                }
                agreed += 1;
            }
            let all_agree = agreed == self.lists.len();
            self.go_on(candidate, all_agree);
            if all_agree {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }

    /// Leaves what lies before `candidate`, and with `past` the candidate too.
    fn go_on(&mut self, candidate: u64, past: bool) {
        let Some((first, last)) = self.left else { return };
        let step = u64::from(past);
        self.left = if self.backwards {
            candidate.checked_sub(step).map(|last| (first, last))
        } else {
            candidate.checked_add(step).map(|first| (first, last))
        }
        .filter(|(first, last)| first <= last);
    }
}

/// The number from which on the chain's clock is at least `since`: no event before it is as late.
fn first_since(txn: &RoTxn<'_>, tables: &Tables, since: Timestamp) -> Result<u64, ReadError> {
    let all = Numbers::all(tables);
    let (Some(mut low), Some(last)) = (all.at_or_after(txn, 0)?, all.at_or_before(txn, u64::MAX)?) else {
        return Ok(1);
    };
    let mut high = last.saturating_add(1);
    while low < high {
        let middle = low + (high - low) / 2;
        let stored = tables.audit.get(txn, &middle.to_be_bytes())?;
        if stored.and_then(split).is_some_and(|(clock, _)| clock < since.as_microsecond()) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
