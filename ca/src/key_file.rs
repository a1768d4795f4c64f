//! Key files: 32 random bytes in a file that only its owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::random::{self, RandomFailed};
use crate::sealing::KEY_LENGTH;

/// First word of a key file; the second is the key in base64.
const MARK: &str = "mezite-seal-key-v1";
/// Longest file that is read, in bytes.
const LONGEST: u64 = 256;

/// Why a key file is refused.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is already something of this name.
    #[error("{}: exists already", .0.display())]
    Exists(PathBuf),
    /// It cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// It is a folder, a pipe or a device.
    #[error("{}: not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// Others than its owner may read or write it.
    #[error("{}: others may access it (mode {mode:04o}); chmod 600 it", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to somebody else.
    #[error("{}: belongs to uid {owner}, not to this process", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// It holds no key.
    #[error("{}: holds no key of the form '{MARK} BASE64'", .0.display())]
    Malformed(PathBuf),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

/// Makes a key file: mode 0600 from its first moment, complete under its name or not there at all, and never in the
/// place of something else.
pub fn create_key_file(path: &Path) -> Result<(), KeyFileError> {
    let key = random::bytes::<KEY_LENGTH>()?;
    let base64 = Zeroizing::new(STANDARD.encode(key.as_slice()));
    let text = Zeroizing::new(format!("{MARK} {}\n", *base64));
    // Filled under a name of its own first, so that a crash leaves no half-written key behind; `link` never replaces.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unfinished = folder.join(format!(".seal-{:016x}.new", random::serial()?));
    let linked = fill(&unfinished, text.as_bytes()).and_then(|()| fs::hard_link(&unfinished, path));
    // If it cannot be removed it stays as a stray file of mode 0600.
    let _ = fs::remove_file(&unfinished);
    match linked.and_then(|()| File::open(folder)?.sync_all()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(KeyFileError::Exists(path.to_owned()))
        }
        Err(source) => Err(KeyFileError::Io { path: path.to_owned(), source }),
    }
}

fn fill(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Reads a key file after checking, on the open file, that it is one and that nobody else can read it.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<[u8; KEY_LENGTH]>, KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    // Non-blocking, so that a pipe in its place cannot hold us up.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(KeyFileError::NotAFile(path.to_owned()));
    }
    check_access(path, metadata.mode() & 0o7777, metadata.uid(), rustix::process::geteuid().as_raw())?;
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(LONGEST).unwrap_or_default()));
    file.take(LONGEST).read_to_string(&mut text).map_err(io)?;
    parse(&text).ok_or_else(|| KeyFileError::Malformed(path.to_owned()))
}

/// The file must be its owner's alone, and its owner this process or root.
fn check_access(path: &Path, mode: u32, owner: u32, process: u32) -> Result<(), KeyFileError> {
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Mode { path: path.to_owned(), mode });
    }
    if owner != process && owner != 0 {
        return Err(KeyFileError::Owner { path: path.to_owned(), owner });
    }
    Ok(())
}

fn parse(text: &str) -> Option<Zeroizing<[u8; KEY_LENGTH]>> {
    let base64 = text.strip_suffix('\n').unwrap_or(text).strip_prefix(MARK)?.strip_prefix(' ')?;
    let bytes = Zeroizing::new(STANDARD.decode(base64).ok()?);
    Some(Zeroizing::new(bytes.as_slice().try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_belongs_to_this_process_or_to_root() {
        let allowed = |mode, owner, process| check_access(Path::new("k"), mode, owner, process).is_ok();
        assert!(allowed(0o600, 1000, 1000));
        assert!(allowed(0o400, 0, 1000), "as systemd's credentials are");
        assert!(!allowed(0o600, 1001, 1000));
        assert!(!allowed(0o600, 1001, 0), "root, too, uses only its own");
        assert!(!allowed(0o640, 1000, 1000));
    }
}
