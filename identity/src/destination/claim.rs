//! Taking a destination: what is not ours is refused before anything is asked or written.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use super::{CURRENT, Destination, FILES, LOCK, NEXT, Names, SWAP, sequence};
use crate::IdentityError;
use crate::folder::{Entry, Folder, Hook};

impl Destination {
    /// Opens a destination, makes it where there is none, and takes its lock. Nothing of what is found is followed
    /// out of it, and what is not ours is refused.
    pub fn open(path: &Path, names: Names, hook: Hook) -> Result<Self, IdentityError> {
        let refused = |path: &Path, why: &str| IdentityError::Destination {
            path: path.to_owned(),
            why: why.to_owned(),
        };
        match std::fs::symlink_metadata(path) {
            Ok(facts) if facts.is_symlink() => return Err(refused(path, "is a symbolic link")),
            Ok(facts) if !facts.is_dir() => return Err(refused(path, "is no folder")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Folder::make_at(path).map_err(|error| refused(path, &error.to_string()))?;
            }
            Err(error) => return Err(refused(path, &error.to_string())),
        }
        let folder = Folder::open(path, hook).map_err(|error| refused(path, &error.to_string()))?;
        let own = rustix::process::geteuid().as_raw();
        let stat = folder.stat().map_err(|error| refused(path, &error.to_string()))?;
        if stat.st_uid != own {
            return Err(refused(path, "belongs to another user"));
        }
        if stat.st_mode & 0o022 != 0 {
            return Err(refused(path, "others may write to it; chmod go-w it"));
        }
        for name in FILES.into_iter().chain([CURRENT, NEXT, LOCK, SWAP]) {
            let place = path.join(name);
            let entry = folder.entry(name).map_err(|error| refused(&place, &error.to_string()))?;
            if let Some(why) = entry.and_then(|entry| unexpected(name, &entry, own)) {
                return Err(refused(&place, why));
            }
        }
        let lock = take_lock(&folder)?;
        let destination = Self { folder, names, _lock: lock };
        destination.heal()?;
        Ok(destination)
    }
}

/// What is wrong with what lies under one of our names, if anything is.
fn unexpected(name: &str, entry: &Entry, own: u32) -> Option<&'static str> {
    match entry {
        Entry::File { owner } if *owner == own => (name == NEXT).then_some("is no folder"),
        Entry::File { .. } => Some("belongs to another user"),
        Entry::HardLink => Some("is a file that has other names too"),
        Entry::Folder => (name != NEXT).then_some("is a folder"),
        Entry::Link(target) => {
            let ours = match name {
                CURRENT => target.to_str().and_then(sequence).is_some(),
                SWAP => true,
                NEXT | LOCK => false,
                name => *target == Path::new(CURRENT).join(name),
            };
            (!ours).then_some("is a symbolic link that is not ours")
        }
        Entry::Other => Some("is neither a file nor a folder"),
    }
}

/// Takes the lock, and writes down who has it.
fn take_lock(folder: &Folder) -> Result<File, IdentityError> {
    let path = folder.path();
    let failed = |error| IdentityError::File { path: path.join(LOCK), error };
    let Some(mut file) = folder.lock(LOCK).map_err(failed)? else {
        let owner = folder.read(LOCK, 64).ok().flatten();
        let pid = owner.and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse().ok());
        return Err(IdentityError::InUse { path: path.to_owned(), pid });
    };
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(file)
}
