//! The audit of clients who never said who they are. What one source does is written down event by event up to a limit;
//! beyond it a flood is counted, and one event at the end of the minute says how much it was.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mezite_actors::time;
use mezite_store::AuditEntry;

use crate::audit::Auditor;

/// Events of one source within a [`WINDOW`] that are written down one by one.
const MOST: u64 = 100;
/// How long they count together.
const WINDOW: Duration = Duration::from_mins(1);
/// Sources that are told apart; all others count as one.
const MAX_SOURCES: usize = 4096;

/// Whose events count together: an address, of IPv6 the network of a host; `None` stands for all beyond [`MAX_SOURCES`].
type Source = Option<IpAddr>;

/// Writes such events down, or counts them.
#[derive(Clone)]
pub struct Refusals {
    auditor: Auditor,
    windows: Arc<Mutex<HashMap<Source, Window>>>,
}

/// The events of one source since the first one.
struct Window {
    ends: Instant,
    events: u64,
}

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It is written down.
    Written,
    /// It is counted; the first one begins a sum that is due when the window ends.
    Counted { first: bool },
}

impl Refusals {
    /// Writes to this audit log.
    pub fn new(auditor: Auditor) -> Self {
        Self { auditor, windows: Arc::default() }
    }

    /// Notes the event of a client at `ip`, without waiting.
    pub fn note(&self, ip: IpAddr, event: AuditEntry) {
        let (source, fate, ends) = self.count(ip, Instant::now());
        match fate {
            Fate::Written => self.auditor.note(event),
            Fate::Counted { first: false } => {}
            Fate::Counted { first: true } => {
                let refusals = self.clone();
                let sum_up = async move {
                    time::sleep_until(ends).await;
                    refusals.sum_up(source).await;
                };
                mezite_actors::spawn("flood", sum_up).detach();
            }
        }
    }

    /// Writes down now what has only been counted: nothing comes after this.
    pub async fn close(&self) {
        let sources: Vec<Source> = self.with(|windows| windows.keys().copied().collect());
        for source in sources {
            self.sum_up(source).await;
        }
    }

    async fn sum_up(&self, source: Source) {
        let window = self.with(|windows| windows.remove(&source));
        let Some(left) = window.map(|window| window.events.saturating_sub(MOST)).filter(|left| *left > 0)
        else {
            return;
        };
        let source = source.map_or_else(|| "many".to_owned(), |ip| ip.to_string());
        let event = AuditEntry::new("auth.fail")
            .with("source", source)
            .with("outcome", "refused")
            .with("reason", "flood")
            .with("events", left)
            .with("seconds", WINDOW.as_secs());
        self.auditor.record_refusal(event).await;
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Source, Window>) -> T) -> T {
        work(&mut self.windows.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn count(&self, ip: IpAddr, now: Instant) -> (Source, Fate, Instant) {
        self.with(|windows| {
            if windows.len() >= MAX_SOURCES {
                // Those with a sum that is due are taken away by it.
                windows.retain(|_, window| window.events > MOST || now < window.ends);
            }
            let own = Some(network(ip));
            let known = windows.contains_key(&own) || windows.len() < MAX_SOURCES;
            let source = if known { own } else { None };
            let window = windows.entry(source).or_insert(Window { ends: now + WINDOW, events: 0 });
            if now >= window.ends && window.events <= MOST {
                *window = Window { ends: now + WINDOW, events: 0 };
            }
            window.events += 1;
            let fate = match window.events {
                ..=MOST => Fate::Written,
                events => Fate::Counted { first: events == MOST + 1 },
            };
            (source, fate, window.ends)
        })
    }
}

/// An IPv6 host has at least a /64 to choose its addresses from.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests;
