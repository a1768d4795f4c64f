//! Files that the user names: read without being held up by what is no file, written whole or not at all.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;
use tempfile::NamedTempFile;

use crate::error::{CommandError, Kind};

/// The text of a regular file of at most `max` bytes; `-` is stdin. What it holds is never part of an error.
pub fn read(path: &Path, max: u64) -> Result<String, CommandError> {
    let text = if path == Path::new("-") { take(io::stdin(), max) } else { read_file(path, max) };
    text.map_err(|error| CommandError::usage(format!("{}: {error}", path.display())))
}

fn read_file(path: &Path, max: u64) -> io::Result<String> {
    // Opened without blocking: a FIFO has nobody at its other end yet.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    take(file, max)
}

fn take(input: impl Read, max: u64) -> io::Result<String> {
    let mut text = String::new();
    input.take(max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {max} bytes")));
    }
    Ok(text)
}

/// Writes a file for its owner only (0600): under another name first, so that it is there whole or not at all.
pub fn write(path: &Path, content: &[u8]) -> Result<(), CommandError> {
    write_with(path, |out| Ok(out.write_all(content)?))
}

/// As [`write()`], with what `content` writes.
pub fn write_with<T>(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let (file, written) = filled(path, content)?;
    file.persist(path).map_err(|error| failed(path, &error.error))?;
    Ok(written)
}

/// As [`write()`], but never in the place of what is there.
pub fn create(path: &Path, content: &[u8]) -> Result<(), CommandError> {
    let (file, ()) = filled(path, |out| Ok(out.write_all(content)?))?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(CommandError::new(Kind::Conflict, "is there already").within(path))
        }
        Err(error) => Err(failed(path, &error.error)),
    }
}

/// A file beside `path` with all of its content.
fn filled<T>(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> Result<T, CommandError>,
) -> Result<(NamedTempFile, T), CommandError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder).map_err(|error| failed(path, &error))?;
    let written = content(&mut file)?;
    file.as_file().sync_all().map_err(|error| failed(path, &error))?;
    Ok((file, written))
}

fn failed(path: &Path, error: &io::Error) -> CommandError {
    CommandError::new(Kind::Failed, error.to_string()).within(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_regular_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_file(&path, 5).unwrap(), "12345");
        assert_eq!(read_file(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn hostile_038_what_is_no_file_does_not_hold_up() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
        for path in [fifo.as_path(), folder.path(), Path::new("/dev/null")] {
            assert_eq!(
                read_file(path, 5).unwrap_err().kind(),
                io::ErrorKind::InvalidInput,
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_there_is_not_replaced_by_what_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        create(&path, b"first").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(create(&path, b"second").unwrap_err().kind(), Kind::Conflict);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("folder");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("inside"), "").unwrap();
        write(&path, b"new").unwrap_err();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
