//! A token on its way in: from a file, stdin, or the command line. From the last it is taken away at once: what stands
//! there, other programs can see.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::fs::OFlags;
use rustix::io::{FdFlags, fcntl_setfd};
use zeroize::Zeroizing;

use crate::error::{CommandError, Kind};

/// Longest token with its file's line end, in bytes.
const MAX: u64 = 4096;

/// Begins `program` anew where `given`, the value of `flag`, is a token itself: then it gets it by a pipe. Comes back
/// where it is `@FILE`.
pub fn hide(program: &str, flag: &str, given: &str) -> Result<(), CommandError> {
    if given.starts_with('@') {
        return Ok(());
    }
    eprintln!("{program}: note: others can see a token on the command line; {flag} @FILE and @- hide it");
    let failed =
        |error: io::Error| CommandError::new(Kind::Failed, format!("the token cannot be hidden: {error}"));
    let (reader, mut writer) = io::pipe().map_err(failed)?;
    // It fits into the pipe: nobody reads it before this process has become another.
    let bytes = given.as_bytes();
    writer.write_all(bytes.get(..bytes.len().min(4000)).unwrap_or_default()).map_err(failed)?;
    fcntl_setfd(&reader, FdFlags::empty()).map_err(|error| failed(error.into()))?;
    let mut arguments = without(flag, std::env::args_os());
    let name = if arguments.is_empty() { program.into() } else { arguments.remove(0) };
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.arg0(name).args(arguments).arg(format!("{flag}=@/proc/self/fd/{}", reader.as_raw_fd()));
    // Comes back only where it fails.
    Err(failed(command.exec()))
}

/// The command line without a token that stands behind the flag.
fn without(flag: &str, arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        let value = text.strip_prefix(flag);
        if value == Some("") {
            arguments.next();
        } else if !value.is_some_and(|value| value.starts_with('=')) {
            kept.push(argument);
        }
    }
    kept
}

/// The text that `@FILE` names; `@-` is stdin. What it holds is never part of an error.
pub fn read(flag: &str, given: &str) -> Result<Zeroizing<String>, CommandError> {
    let place = given.strip_prefix('@').unwrap_or_default();
    let content = match place {
        "-" => take(io::stdin()),
        path => read_file(Path::new(path)),
    };
    content.map_err(|error| CommandError::usage(format!("{flag}: {}: {error}", mezite_api::escape(place))))
}

/// A small file, or a pipe that a shell or [`hide`] has made.
fn read_file(path: &Path) -> io::Result<Zeroizing<String>> {
    let kind = std::fs::metadata(path)?.file_type();
    let given = kind.is_fifo() && (path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd"));
    if !kind.is_file() && !given {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut options = OpenOptions::new();
    if !given {
        // Another may have come into its place.
        options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    }
    take(options.read(true).open(path)?)
}

fn take(input: impl Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    input.take(MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {MAX} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_074_the_token_is_taken_out_of_the_command_line() {
        let kept = |line: &str| {
            let all = without("--token", line.split(' ').map(OsString::from));
            all.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        let whole = "msh setup --proxy a --token-file f";
        assert_eq!(kept("msh setup --token tok-user-x --proxy a --token-file f"), whole);
        assert_eq!(kept("msh setup --proxy a --token=tok-user-x --token-file f"), whole);
    }

    #[test]
    fn a_token_comes_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "tok\n").unwrap();
        assert_eq!(*read("--token", &format!("@{}", file.path().display())).unwrap(), "tok\n");
        assert!(read("--token", "@/dev/null").is_err() && read("--token", "@/nowhere").is_err());
    }
}
