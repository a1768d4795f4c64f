//! The folder of recordings: `YYYY/MM/DD/SESSION.mezrec`, with `.part` behind it until it is whole.
//!
//! Every step from the root down is taken by `openat` without following links, so a link that somebody planted
//! leads nowhere.

use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::encoder::Prelude;
use crate::{Header, ReadError, Reader, SessionId, WriteError, Writer};

const SUFFIX: &str = ".mezrec";
const PART_SUFFIX: &str = ".mezrec.part";

const FOLDER_MODE: Mode = Mode::RWXU;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const FOLDER_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const NO_LINK: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);

/// Where a recording is, below the folder of recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordingPath {
    day: Date,
    session: SessionId,
}

impl RecordingPath {
    /// The place of the recording that `header` begins: that of its day in UTC.
    pub fn of(header: &Header) -> Self {
        Self { day: TimeZone::UTC.to_datetime(header.started).date(), session: header.session }
    }

    pub(crate) const fn on(day: Date, session: SessionId) -> Self {
        Self { day, session }
    }

    /// The session recorded.
    pub const fn session(&self) -> SessionId {
        self.session
    }

    pub(crate) fn name(&self) -> String {
        format!("{}{SUFFIX}", self.session)
    }

    pub(crate) fn part_name(&self) -> String {
        format!("{}{PART_SUFFIX}", self.session)
    }
}

impl fmt::Display for RecordingPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{SUFFIX}", folders(self.day).join("/"), self.session)
    }
}

/// A file of a day's folder that is named as a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) path: RecordingPath,
    /// Whether it is named as not yet whole.
    pub(crate) part: bool,
}

/// The folder of recordings.
#[derive(Clone, Debug)]
pub struct Archive {
    root: Arc<OwnedFd>,
}

impl Archive {
    /// Opens the folder, made (0700) if it is not there. The way to it may contain links, what is in it may not.
    pub fn open(root: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE.bits()).create(root)?;
        Ok(Self { root: Arc::new(fs::open(root, FOLDER_FLAGS, Mode::empty())?) })
    }

    /// Begins the recording of a session: a new file, refused where there is anything of that name.
    pub fn create(&self, header: &Header) -> Result<Writer, WriteError> {
        let path = RecordingPath::of(header);
        let prelude = Prelude::new(header)?;
        let folder = self.make_day(path.day)?;
        if fs::statat(&folder, path.name(), AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(WriteError::Exists(path.session));
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | NO_LINK;
        let file = match fs::openat(&folder, path.part_name(), flags, FILE_MODE) {
            Ok(file) => File::from(file),
            Err(Errno::EXIST) => return Err(WriteError::Exists(path.session)),
            Err(errno) => return Err(errno.into()),
        };
        let writer = Writer::new(self.clone(), path, file, prelude);
        if writer.is_err() {
            // A file without a header would be one more thing to clear up at the next start; on a full disk the
            // name may be all that there is room for.
            let _ = fs::unlinkat(&folder, path.part_name(), AtFlags::empty());
        }
        // The name is brought to disk with the whole recording: until then the contents are not there either.
        writer
    }

    /// Opens the recording of `session`, whole or not yet.
    pub fn read(&self, session: SessionId) -> Result<Reader<BufReader<File>>, ReadError> {
        Reader::of(BufReader::new(self.file(session)?), session)
    }

    /// The file of the recording of `session`, to be given away as it is: whoever reads it checks it.
    pub fn file(&self, session: SessionId) -> Result<File, ReadError> {
        for day in self.days()?.into_iter().rev() {
            let path = RecordingPath::on(day, session);
            let Ok(folder) = self.open_day(day) else { continue };
            // Looked for twice, as it may be renamed between two looks.
            for name in [path.name(), path.part_name(), path.name()] {
                match open_file(&folder, &name, OFlags::RDONLY) {
                    Ok(file) => return Ok(file),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Err(ReadError::NotFound)
    }

    /// Renames a recording that is whole and on disk, and brings the new name to disk.
    pub(crate) fn publish(&self, path: &RecordingPath) -> Result<(), WriteError> {
        let folder = self.open_day(path.day)?;
        rename_new(&folder, &path.part_name(), &path.name())?;
        Ok(fs::fsync(&folder)?)
    }

    /// The days that have a folder, in order.
    pub(crate) fn days(&self) -> io::Result<Vec<Date>> {
        let mut days = Vec::new();
        for (year, folder) in numbered_folders(&self.root, 4)? {
            for (month, folder) in numbered_folders(&folder, 2)? {
                for (day, _) in numbered_folders(&folder, 2)? {
                    let [month, day] = [month, day].map(|number| i8::try_from(number).unwrap_or(0));
                    days.extend(Date::new(year, month, day));
                }
            }
        }
        days.sort_unstable();
        Ok(days)
    }

    /// The recordings of a day, in order of their names, and the day's folder.
    pub(crate) fn entries(&self, day: Date) -> io::Result<(OwnedFd, Vec<Entry>)> {
        let folder = self.open_day(day)?;
        let mut entries: Vec<_> = names(&folder)?.iter().filter_map(|name| Entry::parse(day, name)).collect();
        entries.sort_unstable();
        Ok((folder, entries))
    }

    fn open_day(&self, day: Date) -> io::Result<OwnedFd> {
        let mut folder = self.root.as_fd().try_clone_to_owned()?;
        for name in folders(day) {
            folder = open_folder(&folder, &name)?;
        }
        Ok(folder)
    }

    /// The day's folder, made if it is not there; a new folder's name is brought to disk.
    fn make_day(&self, day: Date) -> io::Result<OwnedFd> {
        let mut folder = self.root.as_fd().try_clone_to_owned()?;
        for name in folders(day) {
            match fs::mkdirat(&folder, &name, FOLDER_MODE) {
                Ok(()) => fs::fsync(&folder)?,
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            folder = open_folder(&folder, &name)?;
        }
        Ok(folder)
    }
}

impl Entry {
    /// The entry of this name: only the one way to write a session id counts.
    fn parse(day: Date, name: &str) -> Option<Self> {
        let (id, part) = match name.strip_suffix(PART_SUFFIX) {
            Some(id) => (id, true),
            None => (name.strip_suffix(SUFFIX)?, false),
        };
        let session: SessionId = id.parse().ok()?;
        (session.to_string() == id).then_some(Self { path: RecordingPath::on(day, session), part })
    }

    pub(crate) fn name(&self) -> String {
        if self.part { self.path.part_name() } else { self.path.name() }
    }
}

/// The names of the folders that lead to a day's.
fn folders(day: Date) -> [String; 3] {
    [format!("{:04}", day.year().max(0)), format!("{:02}", day.month()), format!("{:02}", day.day())]
}

fn open_folder(parent: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    Ok(fs::openat(parent, name, FOLDER_FLAGS | NO_LINK, Mode::empty())?)
}

/// Opens a file that is there: a plain file, neither a link nor something that blocks.
pub(crate) fn open_file(folder: &OwnedFd, name: &str, flags: OFlags) -> io::Result<File> {
    // Without O_NONBLOCK the opening of a FIFO would wait for a writer.
    let file = fs::openat(folder, name, flags | OFlags::NONBLOCK | NO_LINK, Mode::empty())?;
    match FileType::from_raw_mode(fs::fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(File::from(file)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file")),
    }
}

/// Renames within a folder; nothing is overwritten.
pub(crate) fn rename_new(folder: &OwnedFd, from: &str, to: &str) -> Result<(), Errno> {
    match fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
        // Some file systems cannot: the folder is the gateway's alone, so that looking first is enough.
        Err(Errno::INVAL | Errno::NOSYS) => match fs::statat(folder, to, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(Errno::EXIST),
            Err(Errno::NOENT) => fs::renameat(folder, from, folder, to),
            Err(errno) => Err(errno),
        },
        renamed => renamed,
    }
}

/// The folders below `parent` whose names are numbers of so many digits. Links among them are passed over.
fn numbered_folders(parent: &OwnedFd, digits: usize) -> io::Result<Vec<(i16, OwnedFd)>> {
    let numbered = |name: &String| name.len() == digits && name.bytes().all(|byte| byte.is_ascii_digit());
    let open = |name: String| Some((name.parse().ok()?, open_folder(parent, &name).ok()?));
    Ok(names(parent)?.into_iter().filter(numbered).filter_map(open).collect())
}

/// The names in a folder; one that is not UTF-8 is none of ours.
fn names(folder: &OwnedFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::Dir::read_from(folder)? {
        names.extend(entry?.file_name().to_str().map(str::to_owned));
    }
    Ok(names)
}
