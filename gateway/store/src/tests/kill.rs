//! kill -9, at chosen steps and at random moments.

use std::io::{BufRead, BufReader, Write};

use super::{assert_verifies, assert_whole_deeds, child, child_folder, deeds, events};
use crate::{AuditEntry, AuditFilter, Batch, FaultAction, Keyspace, Options, Store};

const STEP: &str = "MEZITE_STORE_TEST_STEP";

#[test]
#[ignore = "the process that stops itself at a step"]
fn stopper() {
    let Some(folder) = child_folder() else { return };
    let step = std::env::var(STEP).unwrap().parse().unwrap();
    let options = Options::default();
    let faults = options.faults.clone();
    let store = Store::open(folder, options).unwrap();
    faults.arm(step, FaultAction::Abort);
    for (name, batch) in deeds() {
        store.commit(batch).wait().unwrap();
        println!("\ncommitted {name}");
    }
}

#[test]
fn hostile_011_stopped_at_each_step_of_each_commit() {
    let mut furthest = 0;
    for step in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let output =
            child("tests::kill::stopper", folder.path()).env(STEP, step.to_string()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let answered = said.lines().filter(|line| line.starts_with("committed ")).count();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let found = assert_whole_deeds(&store);
        assert!(
            found == answered || found == answered + 1,
            "step {step}: {answered} answered, {found} found"
        );
        assert!(found >= furthest, "step {step}");
        furthest = found;
        // What was interrupted can be done again, and what was done cannot.
        for (index, (name, batch)) in deeds().into_iter().enumerate() {
            if index >= found {
                store.commit(batch).wait().unwrap();
            } else if name == "token.use" && found == 3 {
                assert!(store.commit(batch).wait().is_err(), "step {step}: token used twice");
            }
        }
        assert_whole_deeds(&store);
        if output.status.success() {
            assert!(step > 20, "the steps were not counted");
            return;
        }
    }
}

#[test]
#[ignore = "the process that is killed"]
fn committer() {
    let Some(folder) = child_folder() else { return };
    let store = Store::open(folder, Options { map_size: 1 << 20, ..Options::default() }).unwrap();
    let start = store.range(Keyspace::Nodes, .., usize::MAX).unwrap().len();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for i in start.. {
                    let name = format!("w{writer}-{i}");
                    let key = name.as_bytes();
                    let batch = Batch::new()
                        .put(Keyspace::Nodes, key, vec![b'x'; i % 5000])
                        .put(Keyspace::NodeIndex, key, name.as_str())
                        .delete(Keyspace::NodeSeen, b"last")
                        .put(Keyspace::NodeSeen, b"last", name.as_str())
                        .audit(AuditEntry::new("node.create").with("node", name.as_str()));
                    store.commit(batch).wait().unwrap();
                    // One write for a line, so that a kill cannot leave half of one.
                    let _ = std::io::stdout().write_all(format!("\ncommitted {name}\n").as_bytes());
                }
            });
        }
    });
}

/// A small generator: which moment is hit shall differ from round to round, and a seed tell it again.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

#[test]
fn killed_at_random_moments_a_change_and_its_event_are_both_there_or_both_absent() {
    let folder = tempfile::tempdir().unwrap();
    let mut seed = 11;
    let mut answered = Vec::new();
    for round in 0..25 {
        let mut process = child("tests::kill::committer", folder.path()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut left = next(&mut seed) % 200;
        for line in lines.map_while(Result::ok) {
            let Some(name) = line.strip_prefix("committed ") else { continue };
            answered.push(name.to_owned());
            if left == 0 {
                // Some way into a commit, not always right after an answer.
                (0..next(&mut seed) % 20_000).for_each(|n| {
                    std::hint::black_box(n);
                });
                let _ = process.kill();
            }
            left = left.saturating_sub(1);
        }
        assert!(!process.wait().unwrap().success());

        let store = Store::open(folder.path(), Options::default()).unwrap();
        assert_verifies(&store);
        let nodes = store.range(Keyspace::Nodes, .., usize::MAX).unwrap();
        assert_eq!(store.range(Keyspace::NodeIndex, .., usize::MAX).unwrap().len(), nodes.len());
        let last = store.get(Keyspace::NodeSeen, b"last").unwrap();
        assert!(last.is_some() || nodes.is_empty());
        let events = events(&store, &AuditFilter::default());
        assert_eq!(events.len(), nodes.len(), "round {round}");
        for event in events {
            let fields = event.fields().unwrap();
            let name = fields["node"].as_str().unwrap();
            assert!(store.get(Keyspace::Nodes, name.as_bytes()).unwrap().is_some(), "round {round}: {name}");
            assert!(
                store.get(Keyspace::NodeIndex, name.as_bytes()).unwrap().is_some(),
                "round {round}: {name}"
            );
        }
        for name in &answered {
            assert!(
                store.get(Keyspace::Nodes, name.as_bytes()).unwrap().is_some(),
                "round {round}: lost {name}"
            );
        }
    }
    assert!(answered.len() > 100);
}
