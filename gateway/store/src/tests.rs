//! Tests of the store as a whole, a file a theme.

mod audit;
mod batches;
mod full;
mod groups;
mod kill;
mod model;
mod opening;
mod watching;

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{AuditEntry, AuditFilter, Batch, CommitHandle, Keyspace, Options, Precondition, Store};

/// A store of its own in a scratch folder.
struct Scratch {
    // Dropped first: the store closes before its folder goes.
    store: Store,
    folder: tempfile::TempDir,
}

fn scratch() -> Scratch {
    scratch_with(Options::default())
}

fn scratch_with(options: Options) -> Scratch {
    let folder = tempfile::tempdir().unwrap();
    Scratch { store: Store::open(folder.path(), options).unwrap(), folder }
}

fn put(key: &str, value: &str) -> Batch {
    Batch::new().put(Keyspace::Nodes, key.as_bytes(), value)
}

fn value(store: &Store, key: &str) -> Option<String> {
    let found = store.get(Keyspace::Nodes, key.as_bytes()).unwrap()?;
    Some(String::from_utf8(found.value).unwrap())
}

/// Every event, page by page.
fn events(store: &Store, filter: &AuditFilter) -> Vec<crate::AuditEvent> {
    let mut all = Vec::new();
    let mut filter = filter.clone();
    loop {
        let page = store.audit_page(&filter).unwrap();
        all.extend(page.events);
        match page.more {
            Some(seq) => filter.after_seq = seq,
            None => return all,
        }
    }
}

/// Waits for commits that were sent without waiting; all must have succeeded.
fn wait_all(handles: Vec<CommitHandle>) {
    for handle in handles {
        handle.wait().unwrap();
    }
}

/// The chain and the index are whole.
fn assert_verifies(store: &Store) {
    let report = store.audit_verify(..).unwrap();
    assert_eq!(report.fault, None);
    assert_eq!(report.checked, store.audit_head().unwrap().seq);
}

/// This test program again, running one of its ignored tests on the store in `folder`.
fn child(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
        .env(CHILD_FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

const CHILD_FOLDER: &str = "MEZITE_STORE_TEST_FOLDER";

/// Where a child finds its store; `None` when a person runs the ignored tests.
fn child_folder() -> Option<std::path::PathBuf> {
    std::env::var_os(CHILD_FOLDER).map(Into::into)
}

/// What administrators and bots do, each a batch of several writes and an event. Numbered, so that a test can say
/// which it found.
fn deeds() -> Vec<(&'static str, Batch)> {
    let audit = |kind: &str| AuditEntry::new(kind).with("actor", "root");
    vec![
        (
            "role.create",
            Batch::new()
                .require(Keyspace::Roles, b"ops", Precondition::Absent)
                .put(Keyspace::Roles, b"ops", "role")
                .put(Keyspace::Meta, b"role.create", "done")
                .audit(audit("role.create")),
        ),
        (
            "token.create",
            Batch::new()
                .put(Keyspace::Tokens, b"t1", "fresh")
                .put(Keyspace::Meta, b"token.create", "done")
                .audit(audit("token.create")),
        ),
        (
            "token.use",
            Batch::new()
                .require(Keyspace::Tokens, b"t1", Precondition::Present)
                .delete(Keyspace::Tokens, b"t1")
                .put(Keyspace::Users, b"bot", "generation 1")
                .put(Keyspace::Meta, b"token.use", "done")
                .audit(audit("token.use")),
        ),
        (
            "bot.renew",
            Batch::new()
                .put(Keyspace::Users, b"bot", "generation 2")
                .put(Keyspace::Meta, b"bot.renew", "done")
                .audit(audit("bot.renew"))
                .audit(audit("cert.issue")),
        ),
        (
            "lock.create",
            Batch::new()
                .essential()
                .put(Keyspace::Locks, b"l1", "user=bot")
                .put(Keyspace::Meta, b"lock.create", "done")
                .audit(audit("lock.create")),
        ),
        ("auth.fail", Batch::new().audit(audit("auth.fail"))),
    ]
}

/// Each deed is there whole or not at all, in order and without gaps; how many are there.
fn assert_whole_deeds(store: &Store) -> usize {
    let kinds: Vec<String> = events(store, &AuditFilter::default())
        .iter()
        .map(|event| event.fields().unwrap()["type"].as_str().unwrap().to_owned())
        .filter(|kind| kind != "cert.issue")
        .collect();
    let names: Vec<&str> = deeds().iter().map(|(name, _)| *name).collect();
    assert!(names.starts_with(&kinds.iter().map(String::as_str).collect::<Vec<_>>()), "{kinds:?}");
    let there = |keyspace, key: &str| store.get(keyspace, key.as_bytes()).unwrap().map(|found| found.value);
    for (index, name) in names.iter().enumerate() {
        let done = index < kinds.len();
        if *name != "auth.fail" {
            assert_eq!(there(Keyspace::Meta, name).is_some(), done, "{name}");
        }
    }
    let done = kinds.len();
    assert_eq!(there(Keyspace::Roles, "ops").is_some(), done > 0);
    assert_eq!(there(Keyspace::Tokens, "t1").is_some(), done == 2);
    let generation = match done {
        0..=2 => None,
        3 => Some(b"generation 1".to_vec()),
        _ => Some(b"generation 2".to_vec()),
    };
    assert_eq!(there(Keyspace::Users, "bot"), generation);
    assert_eq!(there(Keyspace::Locks, "l1").is_some(), done > 4);
    assert_eq!(store.revision().unwrap(), done as u64);
    assert_verifies(store);
    done
}
