//! An id token on its way into a program by the environment: it is taken away from there at once.

use std::ffi::OsString;
use std::io::{self, Seek as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use mezite_api::oidc::MAX_ID_TOKEN_BYTES;
use zeroize::Zeroizing;

use crate::IdentityError;
use crate::token_argument::take;

const ID_TOKEN_ENV: &str = "--id-token-env";
const ID_TOKEN_FILE: &str = "--id-token-file";

/// Begins this program anew without the id token in its environment: it gets it as its stdin, a file without a name.
pub fn hide_id_token(variable: &str) -> Result<(), IdentityError> {
    let usage = |why: &dyn std::fmt::Display| IdentityError::Usage(format!("{ID_TOKEN_ENV}: {why}"));
    let token = std::env::var(variable).ok().map(Zeroizing::new).filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| usage(&format!("{} is not set", mezite_api::escape(variable))))?;
    let failed = |error: io::Error| usage(&error);
    let place = rustix::fs::memfd_create("id-token", rustix::fs::MemfdFlags::CLOEXEC);
    let mut file = std::fs::File::from(place.map_err(|error| failed(error.into()))?);
    file.write_all(token.as_bytes()).and_then(|()| file.rewind()).map_err(failed)?;
    let mut arguments = without_value(ID_TOKEN_ENV, std::env::args_os());
    let name = arguments.remove(0);
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.arg0(name).args(arguments).arg(format!("{ID_TOKEN_FILE}=-"));
    command.env_remove(variable).stdin(Stdio::from(file));
    // Comes back only where it fails.
    Err(failed(command.exec()))
}

/// The id token that [`hide_id_token`] or the user gives as stdin. It does not stay there.
pub fn read_id_token() -> Result<Zeroizing<String>, IdentityError> {
    let usage = |error: io::Error| IdentityError::Usage(format!("{ID_TOKEN_FILE}: {error}"));
    let text = take(io::stdin(), MAX_ID_TOKEN_BYTES as u64 + 1).map_err(usage)?;
    // Only a file without a name can be wiped; what the user has given is the user's.
    let stdin = io::stdin();
    if rustix::fs::fstat(&stdin).is_ok_and(|stat| stat.st_nlink == 0) {
        let _ = rustix::fs::ftruncate(&stdin, 0);
    }
    Ok(text)
}

/// The command line, program first, without a flag and its value.
fn without_value(flag: &str, arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if text == flag {
            arguments.next();
        } else if !text.strip_prefix(flag).is_some_and(|rest| rest.starts_with('=')) {
            kept.push(argument);
        }
    }
    if kept.is_empty() { vec![OsString::from("mezd")] } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_074_the_variable_of_an_id_token_is_named_once_only() {
        let kept = |line: &str| {
            let all = without_value(ID_TOKEN_ENV, line.split(' ').map(OsString::from));
            all.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        for line in ["mezd identity --id-token-env=X --one-shot", "mezd identity --id-token-env X --one-shot"]
        {
            assert_eq!(kept(line), "mezd identity --one-shot");
        }
    }
}
