//! What is asked at the terminal, or comes from files where scripts ask.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use mezite_console::{CommandError, Kind, files};
use zeroize::Zeroizing;

/// Longest file with a password, in bytes: the password and a line end.
const FILE_MAX: u64 = 1024 + 2;

/// A password that is there already: of a file, or asked for without an echo.
pub(crate) fn password(file: Option<&Path>, question: &str) -> Result<Zeroizing<String>, CommandError> {
    match file {
        Some(path) => from_file(path),
        None => hidden(question),
    }
}

/// A new password: of a file, or asked for twice.
pub(crate) fn new_password(file: Option<&Path>) -> Result<Zeroizing<String>, CommandError> {
    if let Some(path) = file {
        return from_file(path);
    }
    let first = hidden("New password: ")?;
    if *first == *hidden("Once more: ")? {
        return Ok(first);
    }
    Err(CommandError::usage("the two are not the same"))
}

/// A code: asked for at the terminal, else a line of stdin.
pub(crate) fn code() -> Result<Zeroizing<String>, CommandError> {
    let mut stderr = io::stderr();
    if io::stdin().is_terminal() {
        let _ = stderr.write_all(b"Code: ").and_then(|()| stderr.flush());
    }
    let mut line = Zeroizing::new(String::new());
    io::stdin().read_line(&mut line)?;
    let code = line.trim();
    if code.is_empty() {
        return Err(CommandError::usage("there is no code").hint("scripts pass --otp, or a line on stdin"));
    }
    // Apps show it in two halves.
    Ok(Zeroizing::new(code.split_ascii_whitespace().collect()))
}

fn from_file(path: &Path) -> Result<Zeroizing<String>, CommandError> {
    let mut text = Zeroizing::new(files::read(path, FILE_MAX)?);
    if text.ends_with('\n') {
        text.pop();
    }
    if text.ends_with('\r') {
        text.pop();
    }
    Ok(text)
}

fn hidden(question: &str) -> Result<Zeroizing<String>, CommandError> {
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(|error| {
        CommandError::new(Kind::Failed, format!("no password can be asked for: {error}"))
            .hint("scripts pass --password-file")
    })
}
