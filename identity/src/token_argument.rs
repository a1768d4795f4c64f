//! A join token on its way into a program: from a file, stdin, the environment or the command line. From the last two it is
//! taken away at once: what stands there, other programs can see.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use mezite_ca::TokenKind;
use rustix::fs::OFlags;
use rustix::io::{FdFlags, fcntl_setfd};
use zeroize::Zeroizing;

use crate::{IdentityError, JoinToken};

/// Longest token with its file's line end, in bytes.
const MAX: u64 = 4096;
/// What fits into any pipe unread.
const PIPED_MAX: usize = 4000;

/// How a program takes a token.
#[derive(Debug, Clone, Copy)]
pub struct TokenArgument {
    /// The program's name, for messages.
    pub program: &'static str,
    /// The flag, with its dashes.
    pub flag: &'static str,
    /// A variable that may hold the token in place of the flag.
    pub variable: Option<&'static str>,
    /// What the token is for.
    pub kind: TokenKind,
    /// How a token that was hidden comes in.
    pub hidden_by: HiddenBy,
}

/// The pipe by which a program that was begun anew gets its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiddenBy {
    /// Its stdin.
    Stdin,
    /// One more descriptor: the program asks its user something.
    Descriptor,
}

impl TokenArgument {
    /// Begins this program anew where the token itself stands in its command line or environment: then it gets it by a
    /// pipe. Comes back where it is in neither.
    pub fn hide(&self, given: Option<&str>) -> Result<(), IdentityError> {
        let literal = given.filter(|text| !text.starts_with('@'));
        let variable = self.variable.and_then(|name| std::env::var(name).ok()).map(Zeroizing::new);
        if literal.is_none() && variable.is_none() {
            return Ok(());
        }
        if literal.is_some() {
            let other = self.variable.map(|name| format!(", or {name}")).unwrap_or_default();
            eprintln!(
                "{}: note: others can see a token on the command line; {flag} @FILE and @-{other} hide it",
                self.program,
                flag = self.flag,
            );
        }
        let token = literal.or(variable.as_deref().map(String::as_str).filter(|_| given.is_none()));
        // Comes back only where it fails.
        let Err(error) = self.begin_anew(token.filter(|token| !token.is_empty()));
        Err(IdentityError::Usage(format!("the token cannot be hidden: {error}")))
    }

    fn begin_anew(&self, token: Option<&str>) -> io::Result<Infallible> {
        let mut arguments = without(self.flag, std::env::args_os());
        let name = if arguments.is_empty() { self.program.into() } else { arguments.remove(0) };
        let mut command = Command::new(std::env::current_exe()?);
        command.arg0(name).args(arguments);
        if let Some(variable) = self.variable {
            command.env_remove(variable);
        }
        let Some(token) = token else { return Err(command.exec()) };
        let (reader, mut writer) = io::pipe()?;
        // It fits into the pipe: nobody reads it before this process has become another.
        let bytes = token.as_bytes();
        writer.write_all(bytes.get(..bytes.len().min(PIPED_MAX)).unwrap_or_default())?;
        match self.hidden_by {
            HiddenBy::Stdin => {
                command.arg(format!("{}=@-", self.flag)).stdin(Stdio::from(reader));
                Err(command.exec())
            }
            HiddenBy::Descriptor => {
                fcntl_setfd(&reader, FdFlags::empty())?;
                command.arg(format!("{}=@/proc/self/fd/{}", self.flag, reader.as_raw_fd()));
                Err(command.exec())
            }
        }
    }

    /// The token that the text is, or that `@FILE` holds; `@-` is stdin. What it holds is never part of an error.
    pub fn read(&self, given: &str) -> Result<JoinToken, IdentityError> {
        let Some(place) = given.strip_prefix('@') else {
            return JoinToken::parse_for(self.kind, self.flag, given);
        };
        let content = match place {
            "-" => take(io::stdin(), MAX),
            path => read_small_file(Path::new(path), MAX),
        };
        let content = content.map_err(|error| {
            IdentityError::Usage(format!("{}: {}: {error}", self.flag, mezite_api::escape(place)))
        })?;
        JoinToken::parse_for(self.kind, self.flag, &content)
    }
}

/// The command line, program first, without a token that stands in it.
fn without(flag: &str, arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let is_token = |value: &OsString| !value.to_string_lossy().starts_with('@');
    let mut kept = Vec::new();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        let token_follows = text == flag && arguments.next_if(is_token).is_some();
        let value = text.strip_prefix(flag).and_then(|rest| rest.strip_prefix('='));
        if !token_follows && value.is_none_or(|value| value.starts_with('@')) {
            kept.push(argument);
        }
    }
    kept
}

/// A file of `max` bytes at most, or a pipe that a shell or [`TokenArgument::hide`] has made.
pub fn read_small_file(path: &Path, max: u64) -> io::Result<Zeroizing<String>> {
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
    take(options.read(true).open(path)?, max)
}

pub(crate) fn take(input: impl Read, max: u64) -> io::Result<Zeroizing<String>> {
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

    const ARGUMENT: TokenArgument = TokenArgument {
        program: "mezd",
        flag: "--join-token",
        variable: Some("MEZD_JOIN_TOKEN"),
        kind: TokenKind::Bot,
        hidden_by: HiddenBy::Stdin,
    };

    #[test]
    fn hostile_074_the_token_is_taken_out_of_the_command_line() {
        let kept = |line: &str| {
            let all = without("--join-token", line.split(' ').map(OsString::from));
            all.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        let whole = "mezd identity start --auth-server=a --join-token-file f";
        for token in ["--join-token=tok-bot-x", "--join-token tok-bot-x", "--join-token="] {
            let line = format!("mezd identity start {token} --auth-server=a --join-token-file f");
            assert_eq!(kept(&line), whole);
        }
        for file in ["mezd identity start --join-token=@/f", "mezd identity start --join-token @-"] {
            assert_eq!(kept(file), file);
        }
    }

    #[test]
    fn hostile_074_no_error_repeats_a_token() {
        let secret = "tok-user-0123456789ABCDEFGHabcd";
        for text in [secret, "0123456789ABCDEFGHabcd", "tok-bot-0123456789ABCDEFGHab"] {
            let error = ARGUMENT.read(text).unwrap_err().to_string();
            assert!(!error.contains("0123456789"), "{error}");
        }
    }

    #[test]
    fn a_token_comes_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "tok-bot-0123456789ABCDEFGHabcd\n").unwrap();
        assert!(ARGUMENT.read(&format!("@{}", file.path().display())).is_ok());
        assert!(ARGUMENT.read("@/dev/null").is_err() && ARGUMENT.read("@/nowhere").is_err());
    }
}
