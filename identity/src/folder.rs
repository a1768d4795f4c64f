//! A folder, held open: every operation is relative to it, so that nobody can move another one into its place, and none
//! follows a link. Each operation is a step that tests can stop at or let fail.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, Stat, flock, fstat, fsync, mkdirat, openat,
    readlinkat, renameat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use zeroize::Zeroizing;

/// What is asked before each step: an error makes the step fail. The default lets every step happen.
#[derive(Clone)]
pub struct Hook(Arc<Ask>);

type Ask = dyn Fn(&str) -> io::Result<()> + Send + Sync;

impl Hook {
    /// Asks `hook` before each step, with what it is.
    pub fn new(hook: impl Fn(&str) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }
}

impl Default for Hook {
    fn default() -> Self {
        Self::new(|_| Ok(()))
    }
}

/// An open folder.
pub(crate) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
    hook: Hook,
}

/// What lies under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A regular file of one name, with its owner.
    File {
        /// The uid of its owner.
        owner: u32,
    },
    /// A regular file that has other names too.
    HardLink,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link(PathBuf),
    /// A FIFO, a device, a socket.
    Other,
}

const SECRET_FILE: Mode = Mode::from_raw_mode(0o600);
const SECRET_FOLDER: Mode = Mode::from_raw_mode(0o700);
const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Folder {
    /// Opens a folder, which must not be a link.
    pub(crate) fn open(path: &Path, hook: Hook) -> io::Result<Self> {
        let fd = openat(CWD, path, FOLDER | OFlags::RDONLY, Mode::empty())?;
        Ok(Self { fd, path: path.to_owned(), hook })
    }

    /// Makes a folder for its owner only, with what leads to it.
    pub(crate) fn make_at(path: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn stat(&self) -> io::Result<Stat> {
        Ok(fstat(&self.fd)?)
    }

    fn step(&self, what: &str, name: &str) -> io::Result<()> {
        (self.hook.0)(&format!("{what} {name}"))
    }

    /// A folder in it.
    pub(crate) fn folder(&self, name: &str) -> io::Result<Self> {
        let fd = openat(&self.fd, name, FOLDER | OFlags::RDONLY, Mode::empty())?;
        Ok(Self { fd, path: self.path.join(name), hook: self.hook.clone() })
    }

    /// A new folder in it, for its owner only.
    pub(crate) fn make(&self, name: &str) -> io::Result<Self> {
        self.step("make", name)?;
        mkdirat(&self.fd, name, SECRET_FOLDER)?;
        self.folder(name)
    }

    /// A new file, 0600 from its first moment, whole and on disk when this returns.
    pub(crate) fn create(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.step("create", name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.fd, name, flags, SECRET_FILE)?);
        self.step("write", name)?;
        file.write_all(content)?;
        self.step("sync", name)?;
        file.sync_all()
    }

    /// What the names in it are is on disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.step("sync", "folder")?;
        Ok(fsync(&self.fd)?)
    }

    /// Gives `from` the name `to`, in the place of what had it.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step("rename", to)?;
        Ok(renameat(&self.fd, from, &self.fd, to)?)
    }

    /// A link to `target` under a name that nothing has.
    pub(crate) fn link(&self, target: &str, name: &str) -> io::Result<()> {
        self.step("link", name)?;
        Ok(symlinkat(target, &self.fd, name)?)
    }

    /// Removes a file or a link; nothing happens where there is none.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        self.step("remove", name)?;
        gone(unlinkat(&self.fd, name, AtFlags::empty()))
    }

    /// Removes a folder with the files in it; nothing happens where there is none.
    pub(crate) fn remove_folder(&self, name: &str) -> io::Result<()> {
        let inner = match self.folder(name) {
            Ok(inner) => inner,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // What stands there is no folder of ours.
            Err(_) => return self.remove(name),
        };
        for file in inner.names()? {
            inner.remove(&file)?;
        }
        self.step("remove", name)?;
        gone(unlinkat(&self.fd, name, AtFlags::REMOVEDIR))
    }

    /// The names in it, as far as they are UTF-8.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// What a regular file holds, at most `max` bytes; nothing where there is none.
    pub(crate) fn read(&self, name: &str, max: u64) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        // Opened without blocking: a FIFO has nobody at its other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name} is no file")));
        }
        let mut content = Zeroizing::new(Vec::new());
        file.take(max + 1).read_to_end(&mut content)?;
        if content.len() as u64 > max {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{name} is too long")));
        }
        Ok(Some(content))
    }

    /// What lies under a name.
    pub(crate) fn entry(&self, name: &str) -> io::Result<Option<Entry>> {
        let stat = match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if stat.st_nlink == 1 => Entry::File { owner: stat.st_uid },
            FileType::RegularFile => Entry::HardLink,
            FileType::Directory => Entry::Folder,
            FileType::Symlink => {
                let target = readlinkat(&self.fd, name, Vec::new())?;
                Entry::Link(PathBuf::from(OsStr::new(&*target.to_string_lossy())))
            }
            _ => Entry::Other,
        }))
    }

    /// Opens the file `name` and takes its lock; `None` where somebody has it.
    pub(crate) fn lock(&self, name: &str) -> io::Result<Option<File>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&self.fd, name, flags, SECRET_FILE)?);
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn gone(removed: rustix::io::Result<()>) -> io::Result<()> {
    match removed {
        Err(Errno::NOENT) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
