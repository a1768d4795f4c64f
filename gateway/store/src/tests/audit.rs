//! The chain as it is stored, pages by every filter, and what verification finds.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{assert_verifies, events, put, scratch, wait_all};
use crate::environment::{Ceiling, Environment, Tables};
use crate::state::State;
use crate::{AuditEntry, AuditFilter, Batch, Options, Store, Tampering};

fn commit(store: &Store, entry: AuditEntry) {
    store.commit(Batch::new().audit(entry)).wait().unwrap();
}

#[test]
fn events_are_chained_numbered_and_timed() {
    let scratch = scratch();
    let before = Timestamp::now();
    for i in 0..5 {
        commit(&scratch.store, AuditEntry::new("node.create").with("actor", "alice").with("n", i));
    }
    let mut prev = "0".repeat(64);
    for (i, event) in events(&scratch.store, &AuditFilter::default()).iter().enumerate() {
        let fields = event.fields().unwrap();
        assert_eq!(event.seq, i as u64 + 1);
        assert_eq!(fields["seq"], i + 1);
        assert_eq!(fields["prev"], prev.as_str());
        assert_eq!(fields["n"], i);
        let time = fields["time"].as_str().unwrap();
        assert_eq!(time.len(), "2026-11-20T10:00:00.000000Z".len(), "{time}");
        let time: Timestamp = time.parse().unwrap();
        assert!(time.as_microsecond() >= before.as_microsecond() && time <= Timestamp::now());
        prev = format!("{:x}", Sha256::digest(event.json.as_bytes()));
    }
    let head = scratch.store.audit_head().unwrap();
    assert_eq!((head.seq, head.hash), (5, prev));
    assert!(head.time.as_microsecond() >= before.as_microsecond() && head.time <= Timestamp::now());
}

#[test]
fn a_change_and_its_events_share_a_batch() {
    let scratch = scratch();
    let batch = put("a", "1")
        .audit(AuditEntry::new("node.create").with("node", "a"))
        .audit(AuditEntry::new("cert.issue").with("node", "a"));
    scratch.store.commit(batch).wait().unwrap();
    assert_eq!(events(&scratch.store, &AuditFilter::default()).len(), 2);
    assert_verifies(&scratch.store);
}

/// A log in which every combination of facets occurs, some never together.
fn mixed(count: u64) -> super::Scratch {
    let scratch = scratch();
    let mut handles = Vec::new();
    for i in 0..count {
        let kind = ["access.refuse", "session.start", "session.end"][usize::try_from(i % 3).unwrap()];
        let mut entry = AuditEntry::new(kind).with("actor", format!("user{}", i % 7)).with("n", i);
        if i % 5 == 0 {
            entry = entry.with("subject", format!("user{}", i % 2));
        }
        if i % 4 == 1 {
            entry = entry.with("node", format!("node{}", i % 11));
        }
        if i % 50 == 3 {
            entry = entry.with("actor", 1000);
        }
        handles.push(scratch.store.commit(Batch::new().audit(entry)));
    }
    wait_all(handles);
    scratch
}

/// Whether an event is meant, said once more and plainly.
fn wanted(fields: &serde_json::Map<String, Value>, filter: &AuditFilter) -> bool {
    let is = |field: &str, wanted: &str| match fields.get(field) {
        Some(Value::String(text)) => text == wanted,
        Some(Value::Number(number)) => number.to_string() == wanted,
        _ => false,
    };
    filter.kind.as_deref().is_none_or(|kind| is("type", kind))
        && filter.user.as_deref().is_none_or(|user| is("actor", user) || is("subject", user))
        && filter.node.as_deref().is_none_or(|node| is("node", node))
}

#[test]
fn every_filter_finds_exactly_what_it_should() {
    let scratch = mixed(600);
    let all = events(&scratch.store, &AuditFilter::default());
    assert_eq!(all.len(), 600);
    let some = |text: &str| Some(text.to_owned());
    for kind in [None, some("session.start"), some("session"), some("")] {
        for user in [None, some("user3"), some("user0"), some("1000"), some("nobody")] {
            for node in [None, some("node5"), some("node9"), some("nowhere")] {
                let filter = AuditFilter {
                    kind: kind.clone(),
                    user: user.clone(),
                    node: node.clone(),
                    ..AuditFilter::default()
                };
                let expected: Vec<u64> = all
                    .iter()
                    .filter(|event| wanted(&event.fields().unwrap(), &filter))
                    .map(|event| event.seq)
                    .collect();
                check_pages(&scratch.store, &filter, &expected);
            }
        }
    }
}

/// The same events in one page, in pages of three from the start, and in pages of three from the end.
fn check_pages(store: &Store, filter: &AuditFilter, expected: &[u64]) {
    let seqs = |filter: &AuditFilter| {
        let page = store.audit_page(filter).unwrap();
        (page.events.iter().map(|event| event.seq).collect::<Vec<_>>(), page.more)
    };
    assert_eq!(seqs(filter), (expected.to_vec(), None), "{filter:?}");
    let mut forward = AuditFilter { limit: 3, ..filter.clone() };
    let mut backward = AuditFilter { limit: 3, tail: true, ..filter.clone() };
    let (mut from_start, mut from_end) = (Vec::new(), Vec::new());
    loop {
        let (page, more) = seqs(&forward);
        from_start.extend(page);
        let Some(more) = more else { break };
        forward.after_seq = more;
    }
    loop {
        let (page, more) = seqs(&backward);
        assert!(page.is_sorted());
        from_end.splice(0..0, page);
        let Some(more) = more else { break };
        backward.before_seq = Some(more);
    }
    assert_eq!(from_start, expected, "{filter:?}");
    assert_eq!(from_end, expected, "{filter:?}");
}

#[test]
fn a_page_ends_where_it_should() {
    let scratch = mixed(1200);
    let page = |filter: AuditFilter| {
        let page = scratch.store.audit_page(&filter).unwrap();
        (page.events.first().map(|e| e.seq), page.events.last().map(|e| e.seq), page.events.len(), page.more)
    };
    let none = AuditFilter::default;
    assert_eq!(page(none()), (Some(1), Some(1000), 1000, Some(1000)), "a page has at most 1000");
    assert_eq!(page(AuditFilter { limit: 5000, ..none() }).2, 1000);
    assert_eq!(
        page(AuditFilter { tail: true, limit: 10, ..none() }),
        (Some(1191), Some(1200), 10, Some(1191))
    );
    assert_eq!(page(AuditFilter { after_seq: 1195, ..none() }), (Some(1196), Some(1200), 5, None));
    assert_eq!(page(AuditFilter { after_seq: 1200, ..none() }), (None, None, 0, None));
    assert_eq!(page(AuditFilter { after_seq: u64::MAX, ..none() }), (None, None, 0, None));
    assert_eq!(page(AuditFilter { before_seq: Some(0), ..none() }), (None, None, 0, None));
    assert_eq!(page(AuditFilter { before_seq: Some(4), ..none() }), (Some(1), Some(3), 3, None));
    assert_eq!(
        page(AuditFilter { after_seq: 10, before_seq: Some(13), ..none() }),
        (Some(11), Some(12), 2, None)
    );
}

#[test]
fn lists_that_hardly_meet_end_a_page_early_and_lose_nothing() {
    let scratch = scratch();
    // Types and users alternate; only the last event has both.
    let event = |kind: &str, actor: &str| AuditEntry::new(kind).with("actor", actor);
    for _ in 0..22 {
        let batch =
            (0..500).fold(Batch::new(), |batch, _| batch.audit(event("a", "x")).audit(event("b", "y")));
        scratch.store.commit(batch).wait().unwrap();
    }
    commit(&scratch.store, event("a", "y"));
    let filter = AuditFilter { kind: Some("a".into()), user: Some("y".into()), ..AuditFilter::default() };
    let first = scratch.store.audit_page(&filter).unwrap();
    assert!(first.events.is_empty() && first.more.is_some(), "{first:?}");
    let found = events(&scratch.store, &filter);
    assert_eq!(found.iter().map(|event| event.seq).collect::<Vec<_>>(), [22_001]);
    let mut tail = AuditFilter { tail: true, limit: 5, ..filter };
    let mut seqs = BTreeSet::new();
    loop {
        let page = scratch.store.audit_page(&tail).unwrap();
        seqs.extend(page.events.iter().map(|event| event.seq));
        let Some(more) = page.more else { break };
        tail.before_seq = Some(more);
    }
    assert_eq!(seqs.into_iter().collect::<Vec<_>>(), [22_001]);
}

/// Puts events at chosen times, as if the clock had shown them.
fn at_times(times: &[i64]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment::open(folder.path(), Options::default()).unwrap();
    tamper(&environment, |txn, tables| {
        let mut state = State::load(txn, tables.state)?;
        for time in times {
            let time = Timestamp::from_second(*time).unwrap();
            crate::audit::append(txn, tables, &mut state, &AuditEntry::new("tick"), time)?;
        }
        state.save(txn, tables.state)
    });
    folder
}

fn tamper(environment: &Environment, change: impl FnMut(&mut heed::RwTxn<'_>, &Tables) -> heed::Result<()>) {
    environment.write(Ceiling::Ordinary, change, || Ok(())).unwrap();
}

#[test]
fn since_finds_events_by_their_time_though_the_clock_stepped_back() {
    let times = [10, 20, 30, 15, 16, 30, 40, 1, 50];
    let folder = at_times(&times);
    let store = Store::open(folder.path(), Options::default()).unwrap();
    assert_verifies(&store);
    for since in 0..60 {
        let filter =
            AuditFilter { since: Some(Timestamp::from_second(since).unwrap()), ..AuditFilter::default() };
        let expected: Vec<u64> =
            (1_u64..).zip(times).filter(|(_, time)| *time >= since).map(|(seq, _)| seq).collect();
        check_pages(&store, &filter, &expected);
    }
    assert_eq!(store.audit_head().unwrap().time, Timestamp::from_second(50).unwrap());
}

#[test]
fn a_part_of_the_chain_can_be_verified() {
    let scratch = mixed(100);
    for (range, checked) in [(1..=100, 100), (1..=1, 1), (50..=60, 11), (100..=500, 1), (101..=500, 0)] {
        let report = scratch.store.audit_verify(range.clone()).unwrap();
        assert_eq!((report.fault, report.checked), (None, checked), "{range:?}");
    }
    assert_eq!(scratch.store.audit_verify(..50).unwrap().checked, 49);
    assert_eq!(scratch.store.audit_verify(0..).unwrap().checked, 100);
}

#[test]
fn verification_goes_over_many_transactions() {
    let scratch = mixed(10_000);
    assert_verifies(&scratch.store);
}

#[test]
fn tampering_is_found_with_its_number() {
    type Change = fn(&mut heed::RwTxn<'_>, &Tables) -> heed::Result<()>;
    let cases: [(&str, Change, u64, Tampering); 12] = [
        (
            "another event before it",
            |txn, tables| replace(txn, tables, 20, "\"prev\":\"", "\"prev\":\"0"),
            20,
            Tampering::Unchained,
        ),
        (
            "a byte flipped",
            |txn, tables| replace(txn, tables, 20, "\"n\":19", "\"n\":91"),
            20,
            Tampering::Changed,
        ),
        (
            "a byte flipped in the last",
            |txn, tables| replace(txn, tables, 40, "\"n\":39", "\"n\":93"),
            40,
            Tampering::Changed,
        ),
        ("broken JSON", |txn, tables| replace(txn, tables, 20, "{", "<"), 20, Tampering::Unreadable),
        ("one removed", |txn, tables| drop_events(txn, tables, 20..=20), 20, Tampering::Missing),
        ("the first removed", |txn, tables| drop_events(txn, tables, 1..=1), 1, Tampering::Missing),
        ("the middle cut", |txn, tables| drop_events(txn, tables, 10..=30), 10, Tampering::Missing),
        ("the tail cut", |txn, tables| drop_events(txn, tables, 35..=40), 35, Tampering::Missing),
        ("all cut", |txn, tables| drop_events(txn, tables, 1..=40), 1, Tampering::Missing),
        ("two swapped", swap, 20, Tampering::Renumbered),
        (
            "one added",
            |txn, tables| {
                let last = stored(txn, tables, 40)?;
                tables.audit.put(txn, &41_u64.to_be_bytes(), &last)
            },
            41,
            Tampering::Added,
        ),
        (
            "the clock changed",
            |txn, tables| {
                let mut event = stored(txn, tables, 20)?;
                event[..8].copy_from_slice(&0_i64.to_be_bytes());
                tables.audit.put(txn, &20_u64.to_be_bytes(), &event)
            },
            20,
            Tampering::Clock,
        ),
    ];
    for (label, change, seq, tampering) in cases {
        check_found(label, change, seq, tampering);
    }
    check_found(
        "hidden from a filter",
        |txn, tables| {
            let key = tables.audit_index.first(txn)?.unwrap().0.to_vec();
            tables.audit_index.delete(txn, &key).map(drop)
        },
        2, // whose type has the lowest digest
        Tampering::Unindexed,
    );
}

fn check_found(
    label: &str,
    change: impl FnMut(&mut heed::RwTxn<'_>, &Tables) -> heed::Result<()>,
    seq: u64,
    tampering: Tampering,
) {
    let scratch = mixed(40);
    drop(scratch.store);
    let environment = Environment::open(scratch.folder.path(), Options::default()).unwrap();
    tamper(&environment, change);
    drop(environment);
    let store = Store::open(scratch.folder.path(), Options::default()).unwrap();
    let fault = store.audit_verify(..).unwrap().fault.expect(label);
    assert_eq!((fault.seq, fault.tampering), (seq, tampering), "{label}");
    // Looking on goes on, and hides nothing.
    store.audit_page(&AuditFilter::default()).unwrap();
}

fn stored(txn: &heed::RwTxn<'_>, tables: &Tables, seq: u64) -> heed::Result<Vec<u8>> {
    Ok(tables.audit.get(txn, &seq.to_be_bytes())?.unwrap().to_vec())
}

fn replace(txn: &mut heed::RwTxn<'_>, tables: &Tables, seq: u64, from: &str, to: &str) -> heed::Result<()> {
    let event = stored(txn, tables, seq)?;
    let (clock, json) = event.split_at(8);
    let json = std::str::from_utf8(json).unwrap();
    assert!(json.contains(from), "{json}");
    let changed = [clock, json.replacen(from, to, 1).as_bytes()].concat();
    tables.audit.put(txn, &seq.to_be_bytes(), &changed)
}

fn drop_events(
    txn: &mut heed::RwTxn<'_>,
    tables: &Tables,
    seqs: std::ops::RangeInclusive<u64>,
) -> heed::Result<()> {
    for seq in seqs {
        assert!(tables.audit.delete(txn, &seq.to_be_bytes())?);
    }
    Ok(())
}

fn swap(txn: &mut heed::RwTxn<'_>, tables: &Tables) -> heed::Result<()> {
    let (a, b) = (stored(txn, tables, 20)?, stored(txn, tables, 21)?);
    tables.audit.put(txn, &20_u64.to_be_bytes(), &b)?;
    tables.audit.put(txn, &21_u64.to_be_bytes(), &a)
}

#[test]
fn an_event_behind_the_chain_is_not_overwritten() {
    let scratch = mixed(40);
    drop(scratch.store);
    let environment = Environment::open(scratch.folder.path(), Options::default()).unwrap();
    tamper(&environment, |txn, tables| {
        let last = stored(txn, tables, 40)?;
        tables.audit.put(txn, &41_u64.to_be_bytes(), &last)
    });
    drop(environment);
    let store = Store::open(scratch.folder.path(), Options::default()).unwrap();
    assert!(store.commit(Batch::new().audit(AuditEntry::new("x"))).wait().is_err());
    assert_eq!(store.audit_verify(..).unwrap().fault.map(|fault| fault.tampering), Some(Tampering::Added));
}

#[test]
fn text_in_events_makes_no_other_field_or_line() {
    let scratch = scratch();
    let texts =
        ["line\nbreak", "\"quoted\", \"outcome\":\"ok\"", "\u{1b}[31m", " outcome=ok", "\u{0}", "\u{202e}"];
    for text in texts {
        commit(&scratch.store, AuditEntry::new("auth.fail").with("actor", text).with("reason", text));
        let filter = AuditFilter { user: Some(text.to_owned()), ..AuditFilter::default() };
        let found = events(&scratch.store, &filter);
        assert_eq!(found.len(), 1, "{text:?}");
        assert!(!found[0].json.contains('\n'));
        let fields = found[0].fields().unwrap();
        assert_eq!(fields["actor"], text);
        assert_eq!(fields.len(), 7, "seq, time, prev, type, code, actor, reason");
    }
    assert_verifies(&scratch.store);
}
