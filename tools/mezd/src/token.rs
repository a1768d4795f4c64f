//! The join token on its way in: from a file, stdin, the environment or the command line. From the last two it is taken
//! away at once: what is there, other programs can see.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use mezite_ca::TokenKind;
use mezite_identity::{IdentityError, JoinToken};
use zeroize::Zeroizing;

const VARIABLE: &str = "MEZD_JOIN_TOKEN";
/// `@` and a file's name; `-` is stdin.
const STDIN: &str = "@-";
const MAX: u64 = 4096;

/// Begins this program anew without the token in its command line or environment: it gets it by a pipe. Does nothing
/// where it is in neither.
pub(crate) fn hide(flag: &str, given: Option<&str>) -> Result<(), IdentityError> {
    let literal = given.filter(|text| !text.starts_with('@'));
    let variable = std::env::var(VARIABLE).ok().map(Zeroizing::new);
    if literal.is_none() && variable.is_none() {
        return Ok(());
    }
    if literal.is_some() {
        eprintln!(
            "mezd: warning: a token on the command line can be seen by others; \
             give it as {flag}=@FILE or in {VARIABLE}"
        );
    }
    let token = literal.or(variable.as_deref().map(String::as_str).filter(|_| given.is_none()));
    let failed = |error: io::Error| IdentityError::Usage(format!("the token cannot be hidden: {error}"));
    let mut arguments = without_token(flag, std::env::args_os());
    let program = std::env::current_exe().map_err(failed)?;
    let name = arguments.remove(0);
    let mut command = Command::new(program);
    command.arg0(name).args(arguments).env_remove(VARIABLE);
    if let Some(token) = token.filter(|token| !token.is_empty()) {
        let (reader, mut writer) = io::pipe().map_err(failed)?;
        // It fits into the pipe: nobody reads it before this process has become another.
        let bytes = token.as_bytes();
        writer.write_all(bytes.get(..bytes.len().min(4000)).unwrap_or_default()).map_err(failed)?;
        command.arg(format!("{flag}={STDIN}")).stdin(Stdio::from(reader));
    }
    // Comes back only where it fails.
    Err(failed(command.exec()))
}

/// The command line, program first, without a token that stands in it.
fn without_token(flag: &str, arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if text == flag {
            let value = arguments.next_if(|value| !value.to_string_lossy().starts_with('@'));
            if value.is_some() {
                continue;
            }
        } else if text
            .strip_prefix(flag)
            .and_then(|rest| rest.strip_prefix('='))
            .is_some_and(|value| !value.starts_with('@'))
        {
            continue;
        }
        kept.push(argument);
    }
    if kept.is_empty() { vec![OsString::from("mezd")] } else { kept }
}

/// The token that the text names or is.
pub(crate) fn read(flag: &str, kind: TokenKind, text: &str) -> Result<JoinToken, IdentityError> {
    let Some(place) = text.strip_prefix('@') else { return JoinToken::parse_for(kind, flag, text) };
    let content = match place {
        "-" => take(io::stdin(), MAX),
        path => read_file(Path::new(path), MAX),
    };
    let content = content
        .map_err(|error| IdentityError::Usage(format!("{flag}: {}: {error}", mezite_api::escape(place))))?;
    JoinToken::parse_for(kind, flag, &content)
}

/// A small file, or a pipe that a shell has made.
pub(crate) fn read_file(path: &Path, max: u64) -> io::Result<Zeroizing<String>> {
    let kind = std::fs::metadata(path)?.file_type();
    let from_shell = kind.is_fifo() && (path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd"));
    if !kind.is_file() && !from_shell {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut options = OpenOptions::new();
    if !from_shell {
        // Another may have come into its place.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    take(options.read(true).open(path)?, max)
}

fn take(input: impl Read, max: u64) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    input.take(max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {max} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_074_the_token_is_taken_out_of_the_command_line() {
        let kept = |line: &str| {
            let all = without_token("--join-token", line.split(' ').map(OsString::from));
            all.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        let whole = "mezd identity start --auth-server=a --one-shot";
        assert_eq!(kept("mezd identity start --join-token=tok-bot-x --auth-server=a --one-shot"), whole);
        assert_eq!(kept("mezd identity start --join-token tok-bot-x --auth-server=a --one-shot"), whole);
        for file in ["mezd identity start --join-token=@/f", "mezd identity start --join-token @-"] {
            assert_eq!(kept(file), file);
        }
    }

    #[test]
    fn hostile_074_no_error_repeats_a_token() {
        let secret = "tok-user-0123456789ABCDEFGHabcd";
        for text in [secret, "0123456789ABCDEFGHabcd", "tok-bot-0123456789ABCDEFGHab"] {
            let error = read("--join-token", TokenKind::Bot, text).unwrap_err().to_string();
            assert!(!error.contains("0123456789"), "{error}");
        }
    }

    #[test]
    fn a_token_comes_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "tok-bot-0123456789ABCDEFGHabcd\n").unwrap();
        let read = |place: &str| read("--join-token", TokenKind::Bot, place);
        assert!(read(&format!("@{}", file.path().display())).is_ok());
        assert!(read("@/dev/null").is_err());
    }
}
