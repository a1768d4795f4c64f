//! What a store opens, and what it refuses without a change on disk.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{assert_verifies, child, child_folder, put, scratch, value};
use crate::environment::{Ceiling, Environment};
use crate::state::{SCHEMA, State};
use crate::{AuditEntry, CommitError, Keyspace, OpenError, Options, Precondition, ReadError, Store};

fn readonly() -> Options {
    Options { readonly: true, ..Options::default() }
}

fn refused(path: &Path, options: Options) -> OpenError {
    match Store::open(path, options) {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let scratch = scratch();
    for i in 0..20 {
        let batch = put(&format!("n{i}"), "x").audit(AuditEntry::new("node.create"));
        scratch.store.commit(batch).wait().unwrap();
    }
    let folder = scratch.folder;
    drop(scratch.store);
    for options in [Options::default(), readonly(), Options::default()] {
        let store = Store::open(folder.path(), options).unwrap();
        assert_eq!(store.range(Keyspace::Nodes, .., 100).unwrap().len(), 20);
        assert_eq!(store.revision().unwrap(), 20);
        assert_verifies(&store);
    }
}

#[test]
fn a_dropped_store_has_committed_what_it_took() {
    let scratch = scratch();
    for i in 0..100 {
        drop(scratch.store.commit(put(&format!("n{i}"), "x")));
    }
    drop(scratch.store);
    let store = Store::open(scratch.folder.path(), Options::default()).unwrap();
    assert_eq!(store.range(Keyspace::Nodes, .., 1000).unwrap().len(), 100);
}

#[test]
fn only_the_owner_may_look_into_it() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("deep/store");
    let _store = Store::open(&folder, Options::default()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_second_opener_in_this_process_is_refused_with_its_pid() {
    let scratch = scratch();
    for options in [Options::default(), readonly()] {
        match refused(scratch.folder.path(), options) {
            OpenError::InUse { pid, .. } => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other}"),
        }
    }
    scratch.store.commit(put("a", "still works")).wait().unwrap();
}

#[test]
#[ignore = "the process that others find in their way"]
fn holder() {
    let Some(folder) = child_folder() else { return };
    let _store = Store::open(folder, Options::default()).unwrap();
    println!("\nholding");
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn a_second_process_is_refused_with_the_pid_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut holder =
        child("tests::opening::holder", folder.path()).stdin(std::process::Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "holding"));
    let error = refused(folder.path(), Options::default());
    let expected = format!("{} is in use by process {}", folder.path().display(), holder.id());
    assert_eq!(error.to_string(), expected);
    holder.kill().unwrap();
    holder.wait().unwrap();
    // The lock is gone with the process, however it ended.
    Store::open(folder.path(), Options::default()).unwrap().commit(put("a", "1")).wait().unwrap();
}

#[test]
fn readers_share_and_cannot_write() {
    let scratch = scratch();
    scratch.store.commit(put("a", "1")).wait().unwrap();
    drop(scratch.store);
    let reader = Store::open(scratch.folder.path(), readonly()).unwrap();
    assert_eq!(value(&reader, "a").as_deref(), Some("1"));
    assert!(matches!(reader.commit(put("a", "2")).wait(), Err(CommitError::ReadOnly)));
    assert!(matches!(refused(scratch.folder.path(), Options::default()), OpenError::InUse { .. }));
}

#[test]
fn reading_nothing_makes_nothing() {
    let parent = tempfile::tempdir().unwrap();
    for folder in [parent.path().to_owned(), parent.path().join("none")] {
        assert!(matches!(refused(&folder, readonly()), OpenError::Missing { .. }));
    }
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
}

#[test]
fn a_store_left_half_made_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("new")).unwrap();
    fs::write(folder.path().join("new/data.mdb"), b"half").unwrap();
    let store = Store::open(folder.path(), Options::default()).unwrap();
    assert_eq!(store.revision().unwrap(), 0);
    assert!(!folder.path().join("new").exists());
}

/// A closed store with something in it.
fn filled() -> tempfile::TempDir {
    let scratch = scratch();
    for i in 0..200 {
        let batch = put(&format!("n{i}"), &"x".repeat(1000)).audit(AuditEntry::new("node.create"));
        drop(scratch.store.commit(batch));
    }
    scratch.folder
}

#[test]
fn a_file_that_is_no_whole_store_is_refused_and_left_as_it_is() {
    let folder = filled();
    let data = folder.path().join("data.mdb");
    let whole = fs::read(&data).unwrap();
    let mut other_magic = whole.clone();
    other_magic[16..20].fill(0);
    let cases: [(&str, Vec<u8>); 8] = [
        ("empty", Vec::new()),
        ("one byte", vec![0]),
        ("text", b"not a store\n".repeat(5000)),
        ("zeros", vec![0; 1 << 20]),
        ("one page", whole[..4096].to_vec()),
        ("two pages", whole[..8192].to_vec()),
        ("half of its pages", whole[..150 * 1000].to_vec()),
        ("other magic", other_magic),
    ];
    for (label, bytes) in cases {
        for options in [Options::default(), readonly()] {
            fs::write(&data, &bytes).unwrap();
            match refused(folder.path(), options) {
                OpenError::Damaged { path, .. } => assert_eq!(path, data, "{label}"),
                other => panic!("{label}: {other}"),
            }
            assert!(fs::read(&data).unwrap() == bytes, "{label}: changed");
        }
    }
    fs::write(&data, &whole).unwrap();
    assert_verifies(&Store::open(folder.path(), Options::default()).unwrap());
}

#[test]
fn a_newer_schema_is_refused_and_left_as_it_is() {
    let folder = filled();
    let environment = Environment::open(folder.path(), Options::default()).unwrap();
    let newer = |txn: &mut heed::RwTxn<'_>, tables: &crate::environment::Tables| {
        let mut state = State::load(txn, tables.state)?;
        state.schema = SCHEMA + 1;
        state.save(txn, tables.state)
    };
    environment.write(Ceiling::Ordinary, newer, || Ok(())).unwrap();
    drop(environment);
    let data = folder.path().join("data.mdb");
    let before = fs::read(&data).unwrap();
    for options in [Options::default(), readonly()] {
        match refused(folder.path(), options) {
            OpenError::NewerSchema { found, supported } => assert_eq!((found, supported), (2, 1)),
            other => panic!("{other}"),
        }
    }
    assert!(fs::read(&data).unwrap() == before);
}

#[test]
fn a_damaged_state_is_refused() {
    let folder = filled();
    let environment = Environment::open(folder.path(), Options::default()).unwrap();
    let flip = |txn: &mut heed::RwTxn<'_>, tables: &crate::environment::Tables| {
        let mut stored = tables.state.get(txn, b"state")?.unwrap().to_vec();
        stored[20] ^= 1;
        tables.state.put(txn, b"state", &stored)
    };
    environment.write(Ceiling::Ordinary, flip, || Ok(())).unwrap();
    drop(environment);
    assert!(matches!(refused(folder.path(), Options::default()), OpenError::Damaged { .. }));
}

#[test]
fn a_damaged_record_harms_no_other() {
    let folder = filled();
    let environment = Environment::open(folder.path(), Options::default()).unwrap();
    let flip = |txn: &mut heed::RwTxn<'_>, tables: &crate::environment::Tables| {
        let table = tables.keyspace(Keyspace::Nodes);
        let mut stored = table.get(txn, b"n7")?.unwrap().to_vec();
        stored[100] ^= 1;
        table.put(txn, b"n7", &stored)
    };
    environment.write(Ceiling::Ordinary, flip, || Ok(())).unwrap();
    drop(environment);
    let store = Store::open(folder.path(), Options::default()).unwrap();
    let is_damaged = |error: &ReadError| matches!(error, ReadError::Damaged { key, .. } if key == b"n7");
    assert!(is_damaged(&store.get(Keyspace::Nodes, b"n7").unwrap_err()));
    assert!(is_damaged(&store.range(Keyspace::Nodes, .., 1000).unwrap_err()));
    assert_eq!(value(&store, "n8").unwrap().len(), 1000);
    let listed = store.read(|snapshot| snapshot.scan(Keyspace::Nodes, .., 1000)).unwrap();
    assert_eq!(listed.len(), 200);
    assert_eq!(listed.iter().filter(|(_, found)| found.is_err()).count(), 1);
    let required = put("n7", "new").require(Keyspace::Nodes, b"n7", Precondition::Present);
    assert!(matches!(store.commit(required).wait(), Err(CommitError::Damaged { key, .. }) if key == b"n7"));
    store.commit(put("n7", "new")).wait().unwrap();
    assert_eq!(value(&store, "n7").as_deref(), Some("new"));
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (map_size, map_limit, reserve) in [(2 << 20, 1 << 20, 0), (1 << 20, 1 << 20, 1), (0, 1, 2)] {
        let options = Options { map_size, map_limit, reserve, ..Options::default() };
        assert!(matches!(refused(folder.path(), options), OpenError::Options(_)));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
