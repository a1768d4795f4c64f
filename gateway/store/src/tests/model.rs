//! The store against a map: random batches, groups, ranges, watches and reopenings.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;

use super::assert_verifies;
use crate::{AuditEntry, Batch, CommitError, Keyspace, Options, Precondition, Revision, Store, Watch};

type Model = BTreeMap<(Keyspace, Vec<u8>), (Revision, Vec<u8>)>;

#[derive(Debug, Clone)]
enum Condition {
    Absent,
    Present,
    /// The revision that is there, or one beside it.
    Current,
    Stale,
}

#[derive(Debug, Clone)]
struct Plan {
    conditions: Vec<(Keyspace, Vec<u8>, Condition)>,
    writes: Vec<(Keyspace, Vec<u8>, Option<Vec<u8>>)>,
    events: usize,
}

#[derive(Debug, Clone)]
enum Step {
    /// Sent one after the other without waiting, so that they may share a transaction.
    Commit(Vec<Plan>),
    Range(Keyspace, Bound<Vec<u8>>, Bound<Vec<u8>>, usize),
    Reopen,
}

fn keyspace() -> impl Strategy<Value = Keyspace> {
    prop::sample::select(vec![Keyspace::Nodes, Keyspace::Roles, Keyspace::Locks])
}

/// Few keys, so that they meet; some of the longest and with the greatest bytes.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let odd = [vec![0], vec![255; 3], vec![b'k'; crate::MAX_KEY_BYTES]];
    prop_oneof![4 => "[ab]{1,2}".prop_map(String::into_bytes), 1 => prop::sample::select(odd.to_vec())]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => prop::collection::vec(any::<u8>(), 0..20), 1 => prop::collection::vec(any::<u8>(), 4000..9000)]
}

fn condition() -> impl Strategy<Value = Condition> {
    prop::sample::select(vec![
        Condition::Absent,
        Condition::Present,
        Condition::Current,
        Condition::Current,
        Condition::Stale,
    ])
}

fn plan() -> impl Strategy<Value = Plan> {
    (
        prop::collection::vec((keyspace(), key(), condition()), 0..2),
        prop::collection::vec((keyspace(), key(), prop::option::weighted(0.7, value())), 0..4),
        0..3_usize,
    )
        .prop_map(|(conditions, writes, events)| Plan { conditions, writes, events })
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        Just(Bound::Unbounded),
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded),
        Just(Bound::Included(Vec::new())),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(plan(), 1..6).prop_map(Step::Commit),
        3 => (keyspace(), bound(), bound(), 0..8_usize).prop_map(|(k, from, to, n)| Step::Range(k, from, to, n)),
        1 => Just(Step::Reopen),
    ]
}

/// What the store should be.
#[derive(Default)]
struct Expected {
    model: Model,
    revision: Revision,
    events: u64,
}

impl Expected {
    /// The batch that a plan means now, and whether it should be committed.
    fn batch(&mut self, plan: &Plan) -> (Batch, bool) {
        let mut batch = Batch::new();
        let mut holds = true;
        for (keyspace, key, condition) in &plan.conditions {
            let there = self.model.get(&(*keyspace, key.clone())).map(|(revision, _)| *revision);
            let precondition = match condition {
                Condition::Absent => Precondition::Absent,
                Condition::Present => Precondition::Present,
                Condition::Current => Precondition::Revision(there.unwrap_or(1)),
                Condition::Stale => Precondition::Revision(there.unwrap_or(0) + 1),
            };
            holds &= match precondition {
                Precondition::Absent => there.is_none(),
                Precondition::Present => there.is_some(),
                Precondition::Revision(revision) => there == Some(revision),
            };
            batch = batch.require(*keyspace, key, precondition);
        }
        for (keyspace, key, value) in &plan.writes {
            batch = match value {
                Some(value) => batch.put(*keyspace, key, value.clone()),
                None => batch.delete(*keyspace, key),
            };
        }
        batch = (0..plan.events).fold(batch, |batch, _| batch.audit(AuditEntry::new("test")));
        if holds {
            self.apply(plan);
        }
        (batch, holds)
    }

    fn apply(&mut self, plan: &Plan) {
        self.revision += 1;
        self.events += plan.events as u64;
        for (keyspace, key, value) in &plan.writes {
            let place = (*keyspace, key.clone());
            match value {
                Some(value) => self.model.insert(place, (self.revision, value.clone())),
                None => self.model.remove(&place),
            };
        }
    }

    fn range(
        &self,
        keyspace: Keyspace,
        from: &Bound<Vec<u8>>,
        to: &Bound<Vec<u8>>,
        limit: usize,
    ) -> Vec<(Vec<u8>, Revision)> {
        let after = |key: &Vec<u8>| match from {
            Bound::Unbounded => true,
            Bound::Included(from) => key >= from,
            Bound::Excluded(from) => key > from,
        };
        let before = |key: &Vec<u8>| match to {
            Bound::Unbounded => true,
            Bound::Included(to) => key <= to,
            Bound::Excluded(to) => key < to,
        };
        let entries = self.model.iter().filter(|((at, key), _)| *at == keyspace && after(key) && before(key));
        entries.map(|((_, key), (revision, _))| (key.clone(), *revision)).take(limit).collect()
    }
}

/// What a watcher makes of the changes it was told.
struct Follower {
    watch: Watch,
    model: Model,
}

impl Follower {
    fn follow(&mut self) {
        while let Some(change) = self.watch.try_next() {
            let change = change.expect("few changes never lag");
            let place = (change.keyspace, change.key.clone());
            match &change.value {
                Some(value) => self.model.insert(place, (change.revision, value.clone())),
                None => self.model.remove(&place),
            };
        }
    }
}

fn run(steps: &[Step]) {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { map_size: 1 << 20, ..Options::default() };
    let mut store = Store::open(folder.path(), options()).unwrap();
    let mut expected = Expected::default();
    let mut follower = Follower { watch: store.watch(0), model: Model::new() };
    for step in steps {
        match step {
            Step::Commit(plans) => {
                let sent: Vec<_> = plans
                    .iter()
                    .map(|plan| {
                        let (batch, holds) = expected.batch(plan);
                        (store.commit(batch), holds, expected.revision)
                    })
                    .collect();
                for (handle, holds, revision) in sent {
                    match handle.wait() {
                        Ok(committed) => assert_eq!((holds, committed), (true, revision)),
                        Err(CommitError::Conflict { .. }) => assert!(!holds),
                        Err(other) => panic!("{other}"),
                    }
                }
            }
            Step::Range(keyspace, from, to, limit) => {
                let bounds = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
                let found = store.range(*keyspace, bounds, *limit).unwrap();
                let found: Vec<_> = found.into_iter().map(|(key, value)| (key, value.revision)).collect();
                assert_eq!(found, expected.range(*keyspace, from, to, *limit));
            }
            Step::Reopen => {
                follower.follow();
                drop(store);
                store = Store::open(folder.path(), options()).unwrap();
                follower.watch = store.watch(expected.revision);
            }
        }
    }
    follower.follow();
    assert_eq!(follower.model, expected.model);
    for keyspace in Keyspace::ALL {
        for (key, found) in store.range(keyspace, .., usize::MAX).unwrap() {
            assert_eq!(expected.model.remove(&(keyspace, key)), Some((found.revision, found.value)));
        }
    }
    assert!(expected.model.is_empty());
    assert_eq!(store.revision().unwrap(), expected.revision);
    assert_eq!(store.audit_head().unwrap().seq, expected.events);
    assert_verifies(&store);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_a_map_does(steps in prop::collection::vec(step(), 1..40)) {
        run(&steps);
    }
}
