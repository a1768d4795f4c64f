//! What the audit says about single connections, told apart by their source.

use std::net::SocketAddr;

use mezite_fixtures::{Scene, eventually};
use serde_json::Value;

/// A connection whose events are known beforehand.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Names the case when it fails.
    pub label: String,
    /// The client's end.
    pub source: SocketAddr,
    /// The events that must be there, no more and no fewer, each `TYPE REASON`.
    pub events: Vec<String>,
}

impl Attempt {
    /// One that leaves a single event.
    pub fn new(label: impl Into<String>, source: SocketAddr, event: impl Into<String>) -> Self {
        Self { label: label.into(), source, events: vec![event.into()] }
    }
}

/// Each event of the connection from `source` as `TYPE REASON`, oldest first.
pub fn events_of(events: &[Value], source: SocketAddr) -> Vec<String> {
    let source = source.to_string();
    let of_source = events.iter().filter(|event| event["source"] == source.as_str());
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    of_source
        .map(|event| format!("{} {}", text(event, "type"), text(event, "reason")).trim_end().to_owned())
        .collect()
}

/// Ends the test, naming the case, unless the audit has exactly the events of each attempt, and the gateway lives.
#[track_caller]
pub fn assert_trail(scene: &mut Scene, attempts: &[Attempt]) {
    let audit = |scene: &Scene| scene.mezctl.list(&["audit", "ls"]);
    let mut events = audit(scene);
    for attempt in attempts {
        let what = format!("the events of '{}': {:?}", attempt.label, attempt.events);
        eventually(&what, || {
            if events_of(&events, attempt.source).len() >= attempt.events.len() {
                return Some(());
            }
            events = audit(scene);
            None
        });
    }
    // A session through the gateway leaves events behind all of those: one too many would be there by now.
    scene.assert_alive();
    let events = audit(scene);
    let wrong: Vec<String> = attempts
        .iter()
        .map(|attempt| (attempt, events_of(&events, attempt.source)))
        .filter(|(attempt, found)| attempt.events != *found)
        .map(|(attempt, found)| format!("{}: {found:?}, not {:?}", attempt.label, attempt.events))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
