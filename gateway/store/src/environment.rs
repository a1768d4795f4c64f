//! The LMDB environment and its tables: opening, creating, growing, and the two kinds of transaction.

mod map;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, MdbError, RoTxn, RwTxn, WithoutTls};

use crate::error::io_error;
use crate::owner::Owner;
use crate::state::{SCHEMA, State};
use crate::{Keyspace, OpenError, Options, ReadError};

const DATA: &str = "data.mdb";
/// A store is made here and then renamed, so that a data file that exists is whole.
const NURSERY: &str = "new";
/// Every size of the map is a multiple of this, which is one of every page size in use.
const MAP_STEP: usize = 64 << 10;

pub(crate) type Table = Database<'static, Bytes, Bytes>;

/// Every table, open.
pub(crate) struct Tables {
    /// One record: [`State`].
    pub(crate) state: Table,
    /// Events by number.
    pub(crate) audit: Table,
    /// Numbers of events by what they are about.
    pub(crate) audit_index: Table,
    keyspaces: [Table; Keyspace::ALL.len()],
}

impl Tables {
    pub(crate) fn keyspace(&self, keyspace: Keyspace) -> Table {
        // The discriminants number `Keyspace::ALL`, which a test holds.
        self.keyspaces[keyspace as usize]
    }
}

/// How far a write may grow the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ceiling {
    /// All but the reserve.
    Ordinary,
    /// The reserve too.
    Essential,
}

/// An open store file. Its lock is given up after the environment is closed.
pub(crate) struct Environment {
    env: Env<WithoutTls>,
    pub(crate) tables: Tables,
    /// Read while a transaction lives, written while the map changes its size.
    transactions: RwLock<()>,
    pub(crate) options: Options,
    _owner: Owner,
}

impl Environment {
    pub(crate) fn open(folder: &Path, options: Options) -> Result<Self, OpenError> {
        if options.reserve >= options.map_limit || options.map_size > options.map_limit - options.reserve {
            return Err(OpenError::Options("map_size and reserve do not fit into map_limit"));
        }
        let data = folder.join(DATA);
        let at = |source| OpenError::Io { path: data.clone(), source };
        let exists = data.try_exists().map_err(at)?;
        let owner = if options.readonly {
            if !exists {
                return Err(OpenError::Missing { path: data });
            }
            Owner::shared(folder)?
        } else {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at)?;
            Owner::exclusive(folder)?
        };
        // Looked at once more: another process may have made it before the lock was ours.
        if !data.try_exists().map_err(at)? {
            create(folder).map_err(at)?;
        }
        let (env, tables) = open_existing(folder, &data, &options)?;
        Ok(Self { env, tables, transactions: RwLock::new(()), options, _owner: owner })
    }

    /// Runs `read` on one snapshot. It must not start another transaction: growing the map waits for this one.
    pub(crate) fn read<T, E: From<ReadError>>(
        &self,
        read: impl FnOnce(&RoTxn<'_>, &Tables) -> Result<T, E>,
    ) -> Result<T, E> {
        let _transactions = self.transactions.read().unwrap_or_else(PoisonError::into_inner);
        let txn = self.env.read_txn().map_err(ReadError::from)?;
        read(&txn, &self.tables)
    }

    /// Runs `write` and commits what it did, or nothing when it fails. Grows the map up to `ceiling` and runs `write`
    /// again where it is full.
    pub(crate) fn write<T>(
        &self,
        ceiling: Ceiling,
        mut write: impl FnMut(&mut RwTxn<'_>, &Tables) -> heed::Result<T>,
        before_commit: impl Fn() -> heed::Result<()>,
    ) -> heed::Result<T> {
        self.withdraw_reserve(ceiling)?;
        loop {
            let written = {
                let _transactions = self.transactions.read().unwrap_or_else(PoisonError::into_inner);
                let mut txn = self.env.write_txn()?;
                write(&mut txn, &self.tables).and_then(|outcome| {
                    before_commit()?;
                    txn.commit()?;
                    Ok(outcome)
                })
            };
            match written {
                Err(heed::Error::Mdb(MdbError::MapFull)) if self.grow(ceiling)? => {}
                outcome => return outcome,
            }
        }
    }

    fn ceiling(&self, ceiling: Ceiling) -> usize {
        match ceiling {
            Ceiling::Ordinary => round_down(self.options.map_limit - self.options.reserve),
            Ceiling::Essential => round_down(self.options.map_limit),
        }
    }

    /// Doubles the map; whether there was room to.
    fn grow(&self, ceiling: Ceiling) -> heed::Result<bool> {
        let now = self.env.info().map_size;
        let size = round_up(now.saturating_mul(2)).min(self.ceiling(ceiling));
        if size <= now {
            return Ok(false);
        }
        log::info!("the store's map grows from {now} to {size} bytes");
        self.resize(size)?;
        Ok(true)
    }

    /// Makes the map as small again as an ordinary write may see it, after an essential one has used the reserve.
    fn withdraw_reserve(&self, ceiling: Ceiling) -> heed::Result<()> {
        let info = self.env.info();
        let size = self.ceiling(ceiling);
        if info.map_size <= size {
            return Ok(());
        }
        let used = round_up((info.last_page_number + 1).saturating_mul(self.page_size()));
        let size = size.max(used);
        if size < info.map_size { self.resize(size) } else { Ok(()) }
    }

    fn resize(&self, size: usize) -> heed::Result<()> {
        let guard = self.transactions.write().unwrap_or_else(PoisonError::into_inner);
        map::resize(&self.env, size, &guard)
    }

    fn page_size(&self) -> usize {
        self.env.unnamed_database_stat().page_size as usize
    }
}

fn round_down(size: usize) -> usize {
    size - size % MAP_STEP
}

fn round_up(size: usize) -> usize {
    size.saturating_add(MAP_STEP - 1).min(usize::MAX - MAP_STEP) / MAP_STEP * MAP_STEP
}

/// Makes an empty store aside and moves it into place, so that a crash leaves a whole one or none.
fn create(folder: &Path) -> io::Result<()> {
    let nursery = folder.join(NURSERY);
    match fs::remove_dir_all(&nursery) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    DirBuilder::new().mode(0o700).create(&nursery)?;
    let env = map::open(&nursery, 1 << 20, false).map_err(io_error)?;
    create_tables(&env).map_err(io_error)?;
    drop(env);
    fs::rename(nursery.join(DATA), folder.join(DATA))?;
    fs::remove_dir_all(&nursery)?;
    File::open(folder)?.sync_all()
}

fn open_existing(
    folder: &Path,
    data: &Path,
    options: &Options,
) -> Result<(Env<WithoutTls>, Tables), OpenError> {
    let refused = |error| refusal(data, error);
    if fs::metadata(data).map_err(|error| refused(error.into()))?.len() == 0 {
        return Err(damaged(data, "it is empty"));
    }
    let env = map::open(folder, round_up(options.map_size), options.readonly).map_err(refused)?;
    let tables = find_tables(&env).map_err(refused)?;
    let txn = env.read_txn().map_err(refused)?;
    let state = match tables[0] {
        Some(table) => State::load(&txn, table).map_err(refused)?,
        None => return Err(damaged(data, "it has no state")),
    };
    drop(txn);
    if state.schema > SCHEMA {
        return Err(OpenError::NewerSchema { found: state.schema, supported: SCHEMA });
    }
    let tables = match all(tables) {
        Some(tables) => tables,
        None if options.readonly => return Err(damaged(data, "a table is missing")),
        None => create_tables(&env).map_err(refused)?,
    };
    env.clear_stale_readers().map_err(refused)?;
    Ok((env, tables.into()))
}

/// The store's own tables, then the keyspaces. Names never change.
const OWN_TABLES: [&str; 3] = ["state", "audit", "audit_index"];
const TABLES: usize = OWN_TABLES.len() + Keyspace::ALL.len();

fn names() -> [&'static str; TABLES] {
    let mut all = OWN_TABLES.into_iter().chain(Keyspace::ALL.into_iter().map(Keyspace::name));
    std::array::from_fn(|_| all.next().unwrap_or_default())
}

impl From<[Table; TABLES]> for Tables {
    fn from([state, audit, audit_index, keyspaces @ ..]: [Table; TABLES]) -> Self {
        Self { state, audit, audit_index, keyspaces }
    }
}

fn all(tables: [Option<Table>; TABLES]) -> Option<[Table; TABLES]> {
    let found: Vec<Table> = tables.into_iter().flatten().collect();
    found.try_into().ok()
}

fn find_tables(env: &Env<WithoutTls>) -> heed::Result<[Option<Table>; TABLES]> {
    let opened = env.open_databases_and_commit(env.read_txn()?, |opener, txn| {
        let mut tables = [const { None }; TABLES];
        for (table, name) in tables.iter_mut().zip(names()) {
            *table = opener.open_database::<Bytes, Bytes>(txn, Some(name))?;
        }
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(tables))
    })?;
    Ok(opened.unwrap_commit())
}

/// Makes the tables that are missing, and the first state with its table.
fn create_tables(env: &Env<WithoutTls>) -> heed::Result<[Table; TABLES]> {
    let created = env.create_databases_and_commit(env.write_txn()?, |opener, txn| {
        let mut tables = Vec::with_capacity(TABLES);
        for name in names() {
            tables.push(opener.create_database::<Bytes, Bytes>(txn, Some(name))?);
        }
        let Ok(tables) = <[_; TABLES]>::try_from(tables) else { return Err(MdbError::DbsFull.into()) };
        if tables[0].is_empty(txn)? {
            State::default().save(txn, tables[0])?;
        }
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(tables))
    })?;
    Ok(created.unwrap_commit())
}

fn damaged(data: &Path, why: &str) -> OpenError {
    OpenError::Damaged { path: data.to_owned(), why: why.to_owned() }
}

fn refusal(data: &Path, error: heed::Error) -> OpenError {
    match error {
        heed::Error::Io(source) => OpenError::Io { path: data.to_owned(), source },
        other => damaged(data, &other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyspaces_are_numbered_as_listed() {
        for (index, keyspace) in Keyspace::ALL.into_iter().enumerate() {
            assert_eq!(keyspace as usize, index);
            assert_eq!(names()[OWN_TABLES.len() + index], keyspace.name());
        }
    }
}
