use mezite_store::{AuditFilter, Options, Store};

use super::*;

/// Refusals with a log of their own; the folder goes with it.
fn refusals() -> (tempfile::TempDir, Store, Refusals) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store"), Options::default()).unwrap();
    (folder, store.clone(), Refusals::new(Auditor::new(store)))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn counted(refusals: &Refusals, source: &str, now: Instant, times: u64) -> u64 {
    let fates = (0..times).map(|_| refusals.count(ip(source), now).1);
    fates.filter(|fate| *fate != Fate::Written).count() as u64
}

#[test]
fn hostile_102_each_source_has_its_own_minute() {
    let (_folder, _store, refusals) = refusals();
    let now = Instant::now();
    assert_eq!(counted(&refusals, "192.0.2.1", now, MOST + 5), 5);
    assert_eq!(counted(&refusals, "192.0.2.2", now, MOST), 0);
    assert_eq!(counted(&refusals, "2001:db8::1", now, MOST), 0);
    assert_eq!(counted(&refusals, "2001:db8::ffff:1", now, 3), 3, "of the same network");
    assert_eq!(counted(&refusals, "::ffff:192.0.2.2", now, 1), 1, "of the same host");
    // What is counted waits for its sum; who kept below the limit begins anew.
    let later = now + WINDOW;
    assert_eq!(counted(&refusals, "192.0.2.1", later, 1), 1);
    assert_eq!(counted(&refusals, "192.0.2.3", now, 7), 0);
    assert_eq!(counted(&refusals, "192.0.2.3", later, MOST), 0);
}

#[test]
fn hostile_102_memory_of_sources_is_bounded() {
    let (_folder, _store, refusals) = refusals();
    let now = Instant::now();
    for number in 0..2 * u32::try_from(MAX_SOURCES).unwrap() {
        refusals.count(IpAddr::V4(number.into()), now);
    }
    assert_eq!(refusals.with(|windows| windows.len()), MAX_SOURCES + 1);
    assert_eq!(counted(&refusals, "203.0.113.9", now, 1), 1, "among the many");
    assert_eq!(counted(&refusals, "0.0.0.9", now, MOST - 1), 0, "known before");
    refusals.count(ip("203.0.113.9"), now + WINDOW);
    assert!(refusals.with(|windows| windows.len()) < 4, "who was quiet is forgotten");
}

#[test]
fn hostile_102_flood_is_summed_up_not_dropped() {
    let (_folder, store, refusals) = refusals();
    let source = ip("192.0.2.1");
    mezite_actors::run(async {
        for _ in 0..MOST + 41 {
            refusals.note(source, AuditEntry::new("access.refuse").with("reason", "protocol"));
        }
        refusals.close().await;
        refusals.close().await;
    });
    let page = store.audit_page(&AuditFilter { kind: Some("auth.fail".into()), ..AuditFilter::default() });
    let events: Vec<_> = page.unwrap().events.iter().map(|event| event.fields().unwrap()).collect();
    let [sum] = &events[..] else { panic!("one sum: {events:?}") };
    assert_eq!((&sum["reason"], &sum["events"]), (&"flood".into(), &41.into()));
    assert_eq!(sum["source"], "192.0.2.1");
}
