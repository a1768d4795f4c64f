//! Changes in order, lagging, waking, the end.

use std::thread;

use futures_util::StreamExt;

use super::groups::block_on;
use super::{put, scratch, value};
use crate::{Batch, Keyspace, Lagged, Options, Precondition, Store};

#[test]
fn changes_come_in_the_order_of_their_commits() {
    let scratch = scratch();
    let store = &scratch.store;
    let mut watch = store.watch(0);
    store.commit(put("a", "1").put(Keyspace::Roles, b"r", "2")).wait().unwrap();
    store
        .commit(put("x", "refused").require(Keyspace::Nodes, b"a", Precondition::Absent))
        .wait()
        .unwrap_err();
    store.commit(Batch::new().delete(Keyspace::Nodes, b"a")).wait().unwrap();
    let expected = [
        (1, Keyspace::Nodes, "a", Some("1")),
        (1, Keyspace::Roles, "r", Some("2")),
        (2, Keyspace::Nodes, "a", None),
    ];
    for (revision, keyspace, key, value) in expected {
        let change = block_on(watch.next()).unwrap().unwrap();
        assert_eq!((change.revision, change.keyspace), (revision, keyspace));
        assert_eq!(change.key, key.as_bytes());
        assert_eq!(change.value.as_deref(), value.map(str::as_bytes));
    }
    assert!(watch.try_next().is_none());
}

#[test]
fn a_watch_begins_after_its_revision() {
    let scratch = scratch();
    let store = &scratch.store;
    for i in 0..10 {
        store.commit(put("a", &i.to_string())).wait().unwrap();
    }
    for from in 0..=10 {
        let mut watch = store.watch(from);
        let revisions: Vec<_> =
            std::iter::from_fn(|| watch.try_next()).map(|change| change.unwrap().revision).collect();
        assert_eq!(revisions, (from + 1..=10).collect::<Vec<_>>(), "from {from}");
    }
}

#[test]
fn a_waiting_watch_is_woken() {
    let scratch = scratch();
    let mut watch = scratch.store.watch(0);
    let watcher = thread::spawn(move || block_on(watch.next()).unwrap().unwrap().revision);
    scratch.store.commit(put("a", "1")).wait().unwrap();
    assert_eq!(watcher.join().unwrap(), 1);
}

#[test]
fn a_watch_that_falls_behind_is_told_and_goes_on() {
    let scratch = scratch();
    let store = &scratch.store;
    let (mut slow, mut by_size) = (store.watch(0), store.watch(0));
    let many = |round: usize| {
        (0..5000).fold(Batch::new(), |batch, i| {
            batch.put(Keyspace::Nodes, format!("n{i}").as_bytes(), round.to_string())
        })
    };
    store.commit(many(1)).wait().unwrap();
    assert_eq!(slow.try_next(), Some(Err(Lagged { revision: 1 })));
    assert!(slow.try_next().is_none(), "what came before the notice is not delivered after it");
    store.commit(put("after", "x")).wait().unwrap();
    assert_eq!(slow.try_next().unwrap().unwrap().key, b"after");

    assert_eq!(by_size.try_next(), Some(Err(Lagged { revision: 2 })));
    let large = Batch::new().put(Keyspace::Nodes, b"large", vec![0; 600_000]);
    store.commit(large).wait().unwrap();
    let large = Batch::new().put(Keyspace::Nodes, b"large", vec![1; 600_000]);
    store.commit(large).wait().unwrap();
    assert_eq!(by_size.try_next(), Some(Err(Lagged { revision: 4 })));
}

#[test]
fn what_happened_before_the_store_was_opened_is_not_at_hand() {
    let scratch = scratch();
    scratch.store.commit(put("a", "1")).wait().unwrap();
    drop(scratch.store);
    let store = Store::open(scratch.folder.path(), Options::default()).unwrap();
    assert_eq!(store.watch(0).try_next(), Some(Err(Lagged { revision: 1 })));
    assert_eq!(store.watch(1).try_next(), None);
    // Of another store, or of this one before an older copy was put back.
    assert_eq!(store.watch(2).try_next(), Some(Err(Lagged { revision: 1 })));
}

#[test]
fn a_watch_ends_with_the_store_after_its_last_change() {
    let scratch = scratch();
    let mut watch = scratch.store.watch(0);
    let mut idle = scratch.store.watch(0);
    let waiting = thread::spawn(move || {
        let mut count = 0;
        while let Some(change) = block_on(idle.next()) {
            change.unwrap();
            count += 1;
        }
        count
    });
    drop(scratch.store.commit(put("a", "1")));
    drop(scratch.store);
    assert_eq!(block_on(watch.next()).unwrap().unwrap().revision, 1);
    assert!(block_on(watch.next()).is_none());
    assert_eq!(waiting.join().unwrap(), 1);
}

#[test]
fn who_has_an_answer_finds_the_change_in_every_watch() {
    let scratch = scratch();
    let mut watch = scratch.store.watch(0);
    for i in 0..200 {
        scratch.store.commit(put("a", &i.to_string())).wait().unwrap();
        let change = watch.try_next().unwrap().unwrap();
        assert_eq!(change.value.as_deref(), Some(i.to_string().as_bytes()));
    }
    assert_eq!(value(&scratch.store, "a").as_deref(), Some("199"));
}

#[test]
fn debug_of_a_change_shows_no_value() {
    let scratch = scratch();
    scratch.store.commit(put("a", "hunter2").delete(Keyspace::Nodes, b"b")).wait().unwrap();
    let mut watch = scratch.store.watch(0);
    let mut shown = || format!("{:?}", watch.try_next().unwrap().unwrap());
    assert_eq!(shown(), "Change { 1: nodes/a, 7 bytes }");
    assert_eq!(shown(), "Change { 1: nodes/b, deleted }");
}
