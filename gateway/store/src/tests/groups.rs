//! Many writers, grouped commits, faults at every step, answers.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::{assert_verifies, assert_whole_deeds, deeds, put, scratch, scratch_with, value, wait_all};
use crate::commit::Queue;
use crate::{AuditEntry, Batch, CommitError, FaultAction, Keyspace, Options, Precondition, Store};

/// Wakes a parked thread and remembers that it did.
struct Unpark(Thread, AtomicBool);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.store(true, Ordering::SeqCst);
        self.0.unpark();
    }
}

/// Runs a future to its end without a runtime.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let unpark = Arc::new(Unpark(thread::current(), AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&unpark));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        while !unpark.1.swap(false, Ordering::SeqCst) {
            thread::park();
        }
    }
}

#[test]
fn a_handle_is_a_future() {
    let scratch = scratch();
    assert_eq!(block_on(scratch.store.commit(put("a", "1"))).unwrap(), 1);
    let conflict = put("a", "2").require(Keyspace::Nodes, b"a", Precondition::Absent);
    assert!(matches!(block_on(scratch.store.commit(conflict)), Err(CommitError::Conflict { .. })));
}

#[test]
fn batches_that_wait_together_are_judged_one_by_one() {
    let scratch = scratch();
    // All ask for the same name; they are sent before any is answered, so most share a transaction.
    let handles: Vec<_> = (0..500)
        .map(|i| {
            let claim = put("name", &i.to_string()).require(Keyspace::Nodes, b"name", Precondition::Absent);
            (scratch.store.commit(claim), scratch.store.commit(put(&format!("n{i}"), "x")))
        })
        .collect();
    let mut winners = 0;
    for (claim, other) in handles {
        match claim.wait() {
            Ok(_) => winners += 1,
            Err(CommitError::Conflict { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        other.wait().unwrap();
    }
    assert_eq!(winners, 1);
    assert_eq!(value(&scratch.store, "name").as_deref(), Some("0"));
    assert_eq!(scratch.store.revision().unwrap(), 501);
}

#[test]
fn a_counter_loses_no_step() {
    let scratch = scratch();
    let step = |store: &Store| loop {
        let found = store.get(Keyspace::Meta, b"counter").unwrap();
        let (precondition, count) = match found {
            None => (Precondition::Absent, 0),
            Some(found) => {
                let count: u64 = String::from_utf8(found.value).unwrap().parse().unwrap();
                (Precondition::Revision(found.revision), count)
            }
        };
        let batch = Batch::new().require(Keyspace::Meta, b"counter", precondition).put(
            Keyspace::Meta,
            b"counter",
            (count + 1).to_string(),
        );
        match store.commit(batch).wait() {
            Ok(_) => return,
            Err(CommitError::Conflict { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| step(&scratch.store)));
        }
    });
    let found = scratch.store.get(Keyspace::Meta, b"counter").unwrap().unwrap();
    assert_eq!(found.value, b"100");
}

#[test]
fn hostile_099_many_writers_make_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..4 {
        let store = Store::open(folder.path(), Options::default()).unwrap();
        thread::scope(|scope| {
            for writer in 0..64 {
                let store = &store;
                scope.spawn(move || {
                    let handles: Vec<_> = (0..250)
                        .map(|i| {
                            let entry = AuditEntry::new("request.refuse").with("actor", writer).with("n", i);
                            store.commit(Batch::new().audit(entry))
                        })
                        .collect();
                    wait_all(handles);
                });
            }
        });
        assert_verifies(&store);
    }
    let store = Store::open(folder.path(), Options::default()).unwrap();
    assert_eq!(store.audit_head().unwrap().seq, 64_000);
    assert_verifies(&store);
    assert!(Store::open(folder.path(), Options::default()).is_err());
}

#[test]
fn a_fault_at_any_step_leaves_the_batch_out_and_the_store_usable() {
    for (index, (name, _)) in deeds().into_iter().enumerate() {
        for n in 0.. {
            let options = Options::default();
            let faults = options.faults.clone();
            let scratch = scratch_with(options);
            let store = &scratch.store;
            for (_, batch) in deeds().into_iter().take(index) {
                store.commit(batch).wait().unwrap();
            }
            let mut watch = store.watch(store.revision().unwrap());
            faults.arm(n, FaultAction::Fail);
            let outcome = store.commit(deeds().remove(index).1).wait();
            let survived = faults.disarm();
            match outcome {
                Err(CommitError::Io(_)) => {
                    assert_eq!(assert_whole_deeds(store), index, "{name} step {n}");
                    assert!(watch.try_next().is_none(), "{name} step {n}: a change that did not happen");
                    store.commit(deeds().remove(index).1).wait().unwrap();
                }
                Ok(_) => {
                    // The step after the commit can stop the process, but no longer take the batch back.
                    assert!(survived || n > 0, "{name}");
                }
                Err(other) => panic!("{name} step {n}: {other}"),
            }
            assert_eq!(assert_whole_deeds(store), index + 1, "{name} step {n}");
            if survived {
                assert!(n >= 3, "{name}: a commit has more steps than {n}");
                break;
            }
        }
    }
}

#[test]
fn a_closed_queue_takes_nothing_and_answers_what_waits() {
    let queue = Queue::default();
    let waiting = queue.push(Batch::new(), 0);
    queue.close();
    assert!(matches!(queue.push(Batch::new(), 0).wait(), Err(CommitError::Closed)));
    drop(queue);
    assert!(matches!(waiting.wait(), Err(CommitError::Closed)));
}

#[test]
fn a_queue_is_bounded_in_batches_and_in_bytes() {
    let queue = Queue::default();
    let handles: Vec<_> = (0..16 * 1024).map(|_| queue.push(Batch::new(), 0)).collect();
    assert!(matches!(queue.push(Batch::new(), 0).wait(), Err(CommitError::Busy)));
    drop(handles);
    let queue = Queue::default();
    let _first = queue.push(Batch::new(), 64 << 20);
    assert!(matches!(queue.push(Batch::new(), 1).wait(), Err(CommitError::Busy)));
}

#[test]
fn the_store_may_be_dropped_before_its_answers_are_read() {
    let scratch = scratch();
    let handles: Vec<_> = (0..50).map(|i| scratch.store.commit(put(&format!("n{i}"), "x"))).collect();
    drop(scratch.store);
    wait_all(handles);
}
