//! The LMDB environment and its tables: opening, creating, growing, and the two kinds of transaction.

mod map;
mod open;
mod tables;

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use heed::{Env, MdbError, RoTxn, RwTxn, WithoutTls};

use crate::owner::Owner;
use crate::{OpenError, Options, ReadError};
pub(crate) use tables::{Table, Tables};

/// Every size of the map is a multiple of this, which is one of every page size in use.
const MAP_STEP: usize = 64 << 10;
/// The file is lengthened by this much, in bytes; what is not written takes no room on disk.
const FILE_STEP: u64 = 1 << 20;

/// How far a write may grow the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ceiling {
    /// All but the reserve.
    Ordinary,
    /// The reserve too.
    Essential,
}

/// Whether the file is mapped. A map that could not be made anew is gone, and LMDB must not be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Map {
    Whole,
    Lost,
}

impl Map {
    fn usable(self) -> heed::Result<()> {
        match self {
            Self::Whole => Ok(()),
            Self::Lost => {
                Err(io::Error::other("the store's map was lost for want of memory: restart").into())
            }
        }
    }
}

thread_local! {
    static READING: Cell<bool> = const { Cell::new(false) };
}

/// Finds reads within reads, which block for ever only when the map grows just then.
struct Reading;

impl Reading {
    fn begin() -> Self {
        let nested = READING.replace(true);
        debug_assert!(!nested, "a read within a read of the store");
        Self
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        READING.set(false);
    }
}

/// An open store file. Its lock is given up after the environment is closed.
pub(crate) struct Environment {
    env: Env<WithoutTls>,
    pub(crate) tables: Tables,
    /// Read while a transaction lives, written while the map changes its size.
    map: RwLock<Map>,
    /// The data file, to lengthen it.
    data: File,
    pub(crate) options: Options,
    _owner: Owner,
}

impl Environment {
    pub(crate) fn open(folder: &Path, options: Options) -> Result<Self, OpenError> {
        if options.map_limit.checked_sub(options.reserve).is_none_or(|ordinary| options.map_size > ordinary) {
            return Err(OpenError::Options("map_size and reserve do not fit into map_limit"));
        }
        let (env, tables, data, owner) = open::open(folder, &options)?;
        Ok(Self { env, tables, map: RwLock::new(Map::Whole), data, options, _owner: owner })
    }

    /// Runs `read` on one snapshot. It must not start another transaction nor wait for a commit: growing the map waits
    /// for this one.
    pub(crate) fn read<T, E: From<ReadError>>(
        &self,
        read: impl FnOnce(&RoTxn<'_>, &Tables) -> Result<T, E>,
    ) -> Result<T, E> {
        let _reading = Reading::begin();
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.usable().map_err(ReadError::from)?;
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
                let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
                map.usable()?;
                let mut txn = self.env.write_txn()?;
                write(&mut txn, &self.tables).and_then(|outcome| {
                    before_commit()?;
                    txn.commit()?;
                    Ok(outcome)
                })
            };
            match written {
                Err(heed::Error::Mdb(MdbError::MapFull)) if self.grow(ceiling)? => {}
                Ok(outcome) => {
                    // What is committed is committed, even if the next one may fail for it.
                    lengthen(&self.env, &self.data).unwrap_or_else(|error| {
                        log::warn!("the store's file cannot be lengthened: {error}");
                    });
                    return Ok(outcome);
                }
                Err(error) => return Err(error),
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
        let size = size.max(round_up(used(&self.env)));
        if size < info.map_size { self.resize(size) } else { Ok(()) }
    }

    fn resize(&self, size: usize) -> heed::Result<()> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.usable()?;
        let resized = map::resize(&self.env, size, &map);
        if resized.is_err() {
            *map = Map::Lost;
        }
        resized
    }
}

fn round_down(size: usize) -> usize {
    size - size % MAP_STEP
}

fn round_up(size: usize) -> usize {
    size.saturating_add(MAP_STEP - 1).min(usize::MAX - MAP_STEP) / MAP_STEP * MAP_STEP
}

/// The bytes of the file that hold pages in use.
fn used(env: &Env<WithoutTls>) -> usize {
    let page_size = env.unnamed_database_stat().page_size as usize;
    env.info().last_page_number.saturating_add(1).saturating_mul(page_size)
}

/// Keeps the file longer than its pages. LMDB does not write a page at the end that a transaction took and gave back,
/// and leaves the file that much too short; with this, a file that is too short was cut. It also spares most commits
/// to record a new length.
fn lengthen(env: &Env<WithoutTls>, data: &File) -> io::Result<()> {
    let used = used(env) as u64;
    let length = data.metadata()?.len();
    if length < used + FILE_STEP / 2 {
        data.set_len((used + FILE_STEP).next_multiple_of(FILE_STEP))?;
    }
    if length < used { data.sync_all() } else { Ok(()) }
}
