//! Changes of files that can be undone: each file is replaced whole, keeps its owner and mode, and is remembered as it was.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::error::JoinError;

/// The largest file that is looked at.
const MAX: u64 = 1 << 20;
/// The mode of files that were not there.
const MODE: u32 = 0o644;

/// A file as it is.
struct Present {
    bytes: Vec<u8>,
    mode: u32,
    uid: u32,
    gid: u32,
}

/// What was changed, in order.
#[derive(Default)]
pub(super) struct Changes(Vec<(PathBuf, Option<Present>)>);

/// The bytes of a file; nothing where there is none. Links are followed: the file behind them is what is meant.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, JoinError> {
    Ok(present(path).map_err(|error| JoinError::file(path, &error))?.map(|present| present.bytes))
}

fn present(path: &Path) -> io::Result<Option<Present>> {
    let kind = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let file = File::open(path)?;
    let kind = file.metadata()?;
    let mut bytes = Vec::new();
    file.take(MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB"));
    }
    Ok(Some(Present { bytes, mode: kind.mode() & 0o7777, uid: kind.uid(), gid: kind.gid() }))
}

impl Changes {
    /// Whether nothing was changed.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes a file have this content. Nothing is touched where it has it.
    pub(super) fn put(&mut self, path: &Path, bytes: &[u8]) -> Result<(), JoinError> {
        let failed = |error: io::Error| JoinError::file(path, &error);
        // What a link points to is replaced, not the link.
        let path = match fs::canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            other => other.map_err(failed)?,
        };
        let before = present(&path).map_err(failed)?;
        if before.as_ref().is_some_and(|before| before.bytes == bytes) {
            return Ok(());
        }
        replace(&path, bytes, before.as_ref()).map_err(failed)?;
        self.0.push((path, before));
        Ok(())
    }

    /// Removes a file that is ours.
    pub(super) fn remove(&mut self, path: &Path) -> Result<(), JoinError> {
        let failed = |error: io::Error| JoinError::file(path, &error);
        let Some(before) = present(path).map_err(failed)? else { return Ok(()) };
        fs::remove_file(path).and_then(|()| sync_folder(path)).map_err(failed)?;
        self.0.push((path.to_owned(), Some(before)));
        Ok(())
    }

    /// Makes everything as it was, the last change first. Goes on where something fails, and says what.
    pub(super) fn undo(self) -> Vec<String> {
        let mut failed = Vec::new();
        for (path, before) in self.0.into_iter().rev() {
            let undone = match &before {
                Some(before) => replace(&path, &before.bytes, Some(before)),
                None => fs::remove_file(&path).and_then(|()| sync_folder(&path)),
            };
            if let Err(error) = undone {
                failed.push(format!("{}: {error}", path.display()));
            }
        }
        failed
    }
}

/// Writes beside it and renames: who reads sees the old file or the new one.
fn replace(path: &Path, bytes: &[u8], like: Option<&Present>) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    // Not a name that ends in .conf: sshd includes those.
    let mut file = tempfile::Builder::new().prefix(".mezite-").suffix(".tmp").tempfile_in(folder)?;
    file.write_all(bytes)?;
    if let Some(like) = like {
        let own = file.as_file().metadata()?;
        if (own.uid(), own.gid()) != (like.uid, like.gid) {
            fchown(file.as_file(), Some(like.uid), Some(like.gid))?;
        }
    }
    let mode = like.map_or(MODE, |like| like.mode);
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_keep_modes_and_can_be_undone() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new, gone) =
            (folder.path().join("old"), folder.path().join("new"), folder.path().join("gone"));
        fs::write(&old, "1").unwrap();
        fs::set_permissions(&old, Permissions::from_mode(0o600)).unwrap();
        fs::write(&gone, "2").unwrap();
        let mut changes = Changes::default();
        changes.put(&old, b"1").unwrap();
        assert!(changes.is_empty());
        changes.put(&old, b"changed").unwrap();
        changes.put(&new, b"made").unwrap();
        changes.remove(&gone).unwrap();
        assert_eq!(fs::metadata(&old).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&new).unwrap().mode() & 0o777, 0o644);
        assert!(!gone.exists());
        assert!(changes.undo().is_empty());
        assert_eq!(fs::read(&old).unwrap(), b"1");
        assert_eq!(fs::read(&gone).unwrap(), b"2");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn hostile_080_what_is_no_file_is_not_replaced_and_links_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "1").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mut changes = Changes::default();
        changes.put(&link, b"2").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"2");
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
        changes.put(&fifo, b"3").unwrap_err();
        changes.put(folder.path(), b"3").unwrap_err();
    }
}
