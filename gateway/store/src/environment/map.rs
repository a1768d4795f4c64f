//! The memory map: the only place with `unsafe`, because a map is only as sound as what others do to its file.
#![allow(
    unsafe_code,
    reason = "LMDB maps its file: opening and remapping it are sound only by what is said at each call"
)]

use std::path::Path;
use std::sync::RwLockWriteGuard;

use heed::{Env, EnvFlags, EnvOpenOptions, WithoutTls};

/// Slots for readers: how many threads can read at once.
const MAX_READERS: u32 = 512;
/// Tables, with room for those of later releases.
const MAX_TABLES: u32 = 32;

/// Opens or creates the data file in `folder`. The caller holds the store's lock file for as long as the result lives.
pub(super) fn open(folder: &Path, map_size: usize, readonly: bool) -> heed::Result<Env<WithoutTls>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(map_size).max_readers(MAX_READERS).max_dbs(MAX_TABLES);
    if readonly {
        // SAFETY: NO_LOCK asks that no writer changes pages under a reader. The lock file that the caller holds is
        // shared by readers and refused to writers.
        unsafe { options.flags(EnvFlags::READ_ONLY | EnvFlags::NO_LOCK) };
    }
    // SAFETY: the mapped file must not be changed but by this environment. It lies in a folder of mode 0700, the lock
    // file keeps every other process of this program and every second environment of this process away, and no flag
    // that weakens syncing is set.
    unsafe { options.open(folder) }
}

/// Maps `size` bytes, a multiple of the system's page size, instead of what is mapped now.
pub(super) fn resize(
    env: &Env<WithoutTls>,
    size: usize,
    _no_transactions: &RwLockWriteGuard<'_, super::Map>,
) -> heed::Result<()> {
    // SAFETY: no transaction may be active. Each one is made under the read side of the lock whose write side the
    // caller holds, and ends before that read side is given back. When this fails nothing is mapped any more: the
    // caller then starts no other transaction.
    unsafe { env.resize(size) }
}
