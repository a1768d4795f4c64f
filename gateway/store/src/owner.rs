//! One process at a time: a lock file beside the data, which names its holder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::OpenError;

const FILE: &str = "owner.lock";

/// Holds the lock until it is dropped, or the process ends in whatever way.
pub(crate) struct Owner {
    _locked: Option<File>,
}

impl Owner {
    /// The one writer of the store in `folder`.
    pub(crate) fn exclusive(folder: &Path) -> Result<Self, OpenError> {
        let mut file = open(folder)?;
        refused(file.try_lock(), &mut file, folder)?;
        let name_holder = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(std::process::id().to_string().as_bytes())
        };
        name_holder(&mut file).map_err(|source| io_error(folder, source))?;
        Ok(Self { _locked: Some(file) })
    }

    /// One of several readers, while there is no writer.
    pub(crate) fn shared(folder: &Path) -> Result<Self, OpenError> {
        match open(folder) {
            Ok(mut file) => {
                refused(file.try_lock_shared(), &mut file, folder)?;
                Ok(Self { _locked: Some(file) })
            }
            // Where nothing can be written there is no writer.
            Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                Ok(Self { _locked: None })
            }
            Err(other) => Err(other),
        }
    }
}

fn open(folder: &Path) -> Result<File, OpenError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join(FILE))
        .map_err(|source| io_error(folder, source))
}

fn refused(locked: Result<(), TryLockError>, file: &mut File, folder: &Path) -> Result<(), OpenError> {
    match locked {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Ten digits are the longest pid; a file that holds something else names nobody.
            let _ = file.take(10).read_to_string(&mut text);
            Err(OpenError::InUse { path: folder.to_owned(), pid: text.parse().ok() })
        }
        Err(TryLockError::Error(source)) => Err(io_error(folder, source)),
    }
}

fn io_error(folder: &Path, source: io::Error) -> OpenError {
    OpenError::Io { path: folder.join(FILE), source }
}
