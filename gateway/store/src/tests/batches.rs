//! Preconditions, limits, what is refused before any transaction, reading.

use std::ops::Bound;

use super::{put, scratch, value};
use crate::{Batch, CommitError, InvalidBatch, Keyspace, MAX_KEY_BYTES, Precondition, ReadError};

#[test]
fn a_value_comes_back_with_the_revision_of_its_batch() {
    let scratch = scratch();
    let store = &scratch.store;
    assert_eq!(store.revision().unwrap(), 0);
    assert_eq!(store.commit(put("a", "1")).wait().unwrap(), 1);
    assert_eq!(store.commit(put("b", "2")).wait().unwrap(), 2);
    let found = store.get(Keyspace::Nodes, b"a").unwrap().unwrap();
    assert_eq!((found.revision, found.value.as_slice()), (1, b"1".as_slice()));
    assert_eq!(store.get(Keyspace::Roles, b"a").unwrap(), None);
    assert_eq!(store.revision().unwrap(), 2);
}

#[test]
fn preconditions_decide() {
    use Precondition::{Absent, Present, Revision};
    let scratch = scratch();
    let store = &scratch.store;
    store.commit(put("there", "1")).wait().unwrap();
    let cases = [
        ("gone", Absent, None),
        ("gone", Present, Some(None)),
        ("gone", Revision(1), Some(None)),
        ("there", Present, None),
        ("there", Absent, Some(Some(1))),
        ("there", Revision(1), None),
        ("there", Revision(2), Some(Some(1))),
    ];
    for (key, precondition, conflict) in cases {
        let before = store.revision().unwrap();
        let batch = Batch::new()
            .require(Keyspace::Nodes, key.as_bytes(), precondition)
            .put(Keyspace::Users, b"u", "x")
            .audit(crate::AuditEntry::new("user.create"));
        let outcome = store.commit(batch).wait();
        let label = format!("{key} {precondition:?}");
        match conflict {
            None => assert_eq!(outcome.unwrap(), before + 1, "{label}"),
            Some(there) => {
                let Err(CommitError::Conflict { keyspace, key: at, expected, found }) = outcome else {
                    panic!("{label}: {outcome:?}")
                };
                assert_eq!((keyspace, at.as_slice()), (Keyspace::Nodes, key.as_bytes()), "{label}");
                assert_eq!((expected, found), (precondition, there), "{label}");
                assert_eq!(store.revision().unwrap(), before, "{label}: nothing was written");
                assert_eq!(store.audit_head().unwrap().seq, before - 1, "{label}: no event either");
            }
        }
    }
}

#[test]
fn one_of_several_preconditions_is_enough_to_refuse() {
    let scratch = scratch();
    let batch = put("a", "1").require(Keyspace::Nodes, b"a", Precondition::Absent).require(
        Keyspace::Nodes,
        b"b",
        Precondition::Present,
    );
    let refused = scratch.store.commit(batch).wait().unwrap_err();
    assert_eq!(refused.to_string(), "nodes/b is not as required: it should be present, but it is absent");
    assert_eq!(value(&scratch.store, "a"), None);
}

#[test]
fn writes_of_a_batch_happen_in_their_order() {
    let scratch = scratch();
    let batch = put("a", "1").delete(Keyspace::Nodes, b"a").put(Keyspace::Nodes, b"b", "1").put(
        Keyspace::Nodes,
        b"b",
        "2",
    );
    scratch.store.commit(batch).wait().unwrap();
    assert_eq!(value(&scratch.store, "a"), None);
    assert_eq!(value(&scratch.store, "b").as_deref(), Some("2"));
}

#[test]
fn what_cannot_be_stored_is_refused_before_any_transaction() {
    let scratch = scratch();
    let limit = 1 << 20;
    let nodes = Keyspace::Nodes;
    let long = vec![b'k'; MAX_KEY_BYTES + 1];
    let event = |fields: serde_json::Value| match fields {
        serde_json::Value::Object(map) => Batch::new().audit(map.into()),
        _ => unreachable!(),
    };
    let many = |count: usize, size: usize| {
        (0..count).fold(Batch::new(), |batch, i| batch.put(nodes, &i.to_be_bytes(), vec![0; size]))
    };
    let cases = [
        ("empty key", Batch::new().put(nodes, b"", "x"), InvalidBatch::EmptyKey(nodes)),
        ("empty key to delete", Batch::new().delete(nodes, b""), InvalidBatch::EmptyKey(nodes)),
        (
            "empty key required",
            put("a", "1").require(nodes, b"", Precondition::Absent),
            InvalidBatch::EmptyKey(nodes),
        ),
        (
            "long key",
            Batch::new().put(nodes, &long, "x"),
            InvalidBatch::LongKey { keyspace: nodes, bytes: MAX_KEY_BYTES + 1 },
        ),
        (
            "long value",
            Batch::new().put(nodes, b"k", vec![0; limit + 1]),
            InvalidBatch::LongValue { keyspace: nodes, bytes: limit + 1, limit },
        ),
        (
            "100 MiB value",
            Batch::new().put(nodes, b"k", vec![0; 100 << 20]),
            InvalidBatch::LongValue { keyspace: nodes, bytes: 100 << 20, limit },
        ),
        ("no type", event(serde_json::json!({"actor": "a"})), InvalidBatch::UntypedEvent),
        ("type is a number", event(serde_json::json!({"type": 1})), InvalidBatch::UntypedEvent),
        ("own seq", event(serde_json::json!({"type": "x", "seq": 9})), InvalidBatch::ReservedField("seq")),
        (
            "own time",
            event(serde_json::json!({"type": "x", "time": ""})),
            InvalidBatch::ReservedField("time"),
        ),
        (
            "own prev",
            event(serde_json::json!({"type": "x", "prev": ""})),
            InvalidBatch::ReservedField("prev"),
        ),
        (
            "long event",
            event(serde_json::json!({"type": "x", "a": "e".repeat(limit)})),
            InvalidBatch::LongEvent { bytes: limit + 19, limit },
        ),
        (
            "too many writes",
            many(16 * 1024 + 1, 0),
            InvalidBatch::TooLarge { operations: 16 * 1024 + 1, bytes: 8 * (16 * 1024 + 1) },
        ),
        (
            "too many bytes",
            many(17, limit),
            InvalidBatch::TooLarge { operations: 17, bytes: 17 * (limit + 8) },
        ),
    ];
    for (label, batch, expected) in cases {
        match scratch.store.commit(batch).wait() {
            Err(CommitError::Invalid(invalid)) => assert_eq!(invalid, expected, "{label}"),
            other => panic!("{label}: {other:?}"),
        }
    }
    assert_eq!(scratch.store.revision().unwrap(), 0);
    let largest = Batch::new().put(nodes, &long[1..], vec![7; limit]);
    scratch.store.commit(largest).wait().unwrap();
    let found = scratch.store.get(nodes, &long[1..]).unwrap().unwrap();
    assert_eq!(found.value, vec![7; limit]);
}

#[test]
fn ranges_take_any_bounds() {
    let scratch = scratch();
    let long = "c".repeat(MAX_KEY_BYTES);
    for key in ["a", "b", &long, "d"] {
        scratch.store.commit(put(key, "x")).wait().unwrap();
    }
    let too_long = format!("{long}!");
    let (a, b, d): (&[u8], &[u8], &[u8]) = (b"a", b"b", b"d");
    let (empty, long, too_long): (&[u8], _, _) = (b"", long.as_bytes(), too_long.as_bytes());
    let all = vec![a, b, long, d];
    let cases = [
        ("all", (Bound::Unbounded, Bound::Unbounded), all.clone()),
        ("from", (Bound::Included(b), Bound::Unbounded), vec![b, long, d]),
        ("after", (Bound::Excluded(b), Bound::Unbounded), vec![long, d]),
        ("until", (Bound::Unbounded, Bound::Excluded(b)), vec![a]),
        ("to", (Bound::Unbounded, Bound::Included(b)), vec![a, b]),
        ("from nothing", (Bound::Included(empty), Bound::Unbounded), all.clone()),
        ("after nothing", (Bound::Excluded(empty), Bound::Unbounded), all),
        ("until nothing", (Bound::Unbounded, Bound::Included(empty)), vec![]),
        ("from too long", (Bound::Included(too_long), Bound::Unbounded), vec![d]),
        ("until too long", (Bound::Unbounded, Bound::Excluded(too_long)), vec![a, b, long]),
        ("the wrong way round", (Bound::Included(d), Bound::Excluded(a)), vec![]),
        ("only itself excluded", (Bound::Excluded(b), Bound::Excluded(b)), vec![]),
    ];
    for (label, bounds, expected) in cases {
        let found = scratch.store.range(Keyspace::Nodes, bounds, usize::MAX).unwrap();
        assert_eq!(found.iter().map(|(key, _)| key.as_slice()).collect::<Vec<_>>(), expected, "{label}");
    }
    assert_eq!(scratch.store.range(Keyspace::Nodes, .., 2).unwrap().len(), 2);
    assert_eq!(scratch.store.prefix(Keyspace::Nodes, b"c", 9).unwrap().len(), 1);
    assert_eq!(scratch.store.prefix(Keyspace::Nodes, b"", 9).unwrap().len(), 4);
    assert_eq!(scratch.store.get(Keyspace::Nodes, empty).unwrap(), None);
    assert_eq!(scratch.store.get(Keyspace::Nodes, too_long).unwrap(), None);
}

#[test]
fn a_snapshot_is_of_one_moment() {
    let scratch = scratch();
    let store = &scratch.store;
    store.commit(put("a", "old")).wait().unwrap();
    let writer = store.clone();
    store
        .read(|snapshot| {
            // Waiting for a commit within a read is for this test only: the map does not grow by so little.
            std::thread::spawn(move || writer.commit(put("a", "new")).wait().unwrap()).join().unwrap();
            assert_eq!(snapshot.get(Keyspace::Nodes, b"a")?.unwrap().value, b"old");
            assert_eq!(snapshot.revision()?, 1);
            Ok::<_, ReadError>(())
        })
        .unwrap();
    assert_eq!(value(store, "a").as_deref(), Some("new"));
}

#[test]
fn debug_of_a_batch_shows_no_value() {
    let shown = format!("{:?}", put("a", "hunter2").audit(crate::AuditEntry::new("x")));
    assert_eq!(shown, "Batch { requirements: 0, writes: 1, entries: 1, essential: false }");
}

#[test]
#[should_panic(expected = "a read within a read")]
fn a_read_within_a_read_is_found() {
    let scratch = scratch();
    let _ = scratch.store.read(|_| scratch.store.get(Keyspace::Nodes, b"a"));
}
