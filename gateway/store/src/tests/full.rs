//! The map grows, and what happens when it may not.

use super::{assert_verifies, put, scratch_with, value};
use crate::{AuditEntry, Batch, CommitError, FaultAction, Keyspace, Options, Store};

const MIB: usize = 1 << 20;

fn small() -> Options {
    Options { map_size: MIB, map_limit: 8 * MIB, reserve: 2 * MIB, ..Options::default() }
}

/// Commits until the store says that it is full; how many went in.
fn fill(store: &Store) -> usize {
    let mut count = 0;
    loop {
        let batch = put(&format!("n{count:06}"), &"x".repeat(10_000)).audit(AuditEntry::new("node.create"));
        match store.commit(batch).wait() {
            Ok(_) => count += 1,
            Err(CommitError::Full) => return count,
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn the_map_grows_under_readers() {
    let scratch = scratch_with(Options { map_size: MIB, ..Options::default() });
    let store = &scratch.store;
    let value = "x".repeat(100_000);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for i in 0..200 {
                store.commit(put(&format!("n{i:03}"), &value)).wait().unwrap();
            }
        });
        while !writer.is_finished() {
            for (_, found) in store.range(Keyspace::Nodes, .., 10).unwrap() {
                assert_eq!(found.value.len(), 100_000);
            }
        }
    });
    assert_eq!(store.range(Keyspace::Nodes, .., 1000).unwrap().len(), 200);
}

#[test]
fn a_full_store_reads_locks_and_deletes() {
    let scratch = scratch_with(small());
    let store = &scratch.store;
    let count = fill(store);
    assert!(count > 100, "{count}");
    let before = store.revision().unwrap();

    // All or nothing, although the first writes of it would have fitted.
    let large = (0..16).fold(put("first", "x"), |batch, i| {
        batch.put(Keyspace::Users, format!("u{i}").as_bytes(), vec![0; 500_000])
    });
    assert!(matches!(store.commit(large).wait(), Err(CommitError::Full)));
    assert_eq!(value(store, "first"), None);
    assert_eq!(store.revision().unwrap(), before);
    assert_eq!(store.range(Keyspace::Nodes, .., usize::MAX).unwrap().len(), count);

    // The reserve serves locks, and stays closed for the rest afterwards.
    let lock =
        Batch::new().put(Keyspace::Locks, b"l", vec![0; 100_000]).audit(AuditEntry::new("lock.create"));
    assert!(matches!(store.commit(lock).wait(), Err(CommitError::Full)), "not marked essential");
    let lock =
        Batch::new().put(Keyspace::Locks, b"l", vec![0; 100_000]).audit(AuditEntry::new("lock.create"));
    store.commit(lock.essential()).wait().unwrap();
    assert!(matches!(store.commit(put("more", &"x".repeat(100_000))).wait(), Err(CommitError::Full)));

    // Deleting needs no mark, and frees what others then use.
    let all = (0..count)
        .fold(Batch::new(), |batch, i| batch.delete(Keyspace::Nodes, format!("n{i:06}").as_bytes()));
    store.commit(all.audit(AuditEntry::new("node.delete"))).wait().unwrap();
    // Freed pages serve only after the next transaction: no reader may still see them.
    store.commit(put("a", "1")).wait().unwrap();
    store.commit(put("more", &"x".repeat(100_000))).wait().unwrap();
    assert!(fill(store) > count / 2);
    assert_verifies(store);
}

#[test]
fn one_batch_that_does_not_fit_keeps_no_other_out() {
    let scratch = scratch_with(small());
    let large = |key: &str| {
        (0..15).fold(put(key, "x"), |batch, i| {
            batch.put(Keyspace::Users, format!("{key}{i}").as_bytes(), vec![0; MIB])
        })
    };
    let handles: Vec<_> = (0..30)
        .map(|i| {
            let key = format!("n{i}");
            let batch = if i % 10 == 5 { large(&key) } else { put(&key, "small") };
            (i, scratch.store.commit(batch))
        })
        .collect();
    for (i, handle) in handles {
        match handle.wait() {
            Ok(_) => assert_ne!(i % 10, 5),
            Err(CommitError::Full) => assert_eq!(i % 10, 5),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(scratch.store.revision().unwrap(), 27);
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    for n in 0.. {
        let options = Options::default();
        let faults = options.faults.clone();
        let scratch = scratch_with(options);
        let store = &scratch.store;
        store.commit(put("old", "1")).wait().unwrap();
        faults.arm(n, FaultAction::DiskFull);
        let batch = || put("a", "1").put(Keyspace::Users, b"u", "1").audit(AuditEntry::new("node.create"));
        let outcome = store.commit(batch()).wait();
        if outcome.is_ok() {
            assert!(n > 3, "a commit has more steps than {n}");
            return;
        }
        assert!(matches!(outcome, Err(CommitError::Full)), "step {n}");
        assert_eq!((value(store, "a"), value(store, "old").as_deref()), (None, Some("1")), "step {n}");
        assert_eq!((store.revision().unwrap(), store.audit_head().unwrap().seq), (1, 0), "step {n}");
        faults.disarm();
        store.commit(batch()).wait().unwrap();
        assert_verifies(store);
    }
}
