//! The running ssh-agent, by the system's `ssh-add`: keys go to it by a pipe, and leave it with their certificate.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use mezite_console::{CommandError, Kind};

/// Says so where there is none.
pub(crate) fn check() -> Result<(), CommandError> {
    if std::env::var_os("SSH_AUTH_SOCK").is_none_or(|socket| socket.is_empty()) {
        return Err(CommandError::usage("there is no ssh-agent: SSH_AUTH_SOCK is not set")
            .hint("start one with 'eval $(ssh-agent)', or leave --agent out"));
    }
    Ok(())
}

/// Hands a private key over, for so long.
pub(crate) fn add(key: &str, life: Duration) -> Result<(), CommandError> {
    let failed = |error: io::Error| CommandError::new(Kind::Failed, format!("ssh-add: {error}"));
    let mut command = Command::new("ssh-add");
    command.args(["-q", "-t", &life.as_secs().max(1).to_string(), "-"]);
    let mut running = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().map_err(failed)?;
    if let Some(mut stdin) = running.stdin.take() {
        stdin.write_all(key.as_bytes()).map_err(failed)?;
    }
    let status = running.wait().map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    Err(CommandError::new(Kind::Failed, format!("the ssh-agent has not taken the key: {status}")))
}

/// Takes the key of this public key out, where it is there.
pub(crate) fn remove(public_key: &Path) {
    if std::env::var_os("SSH_AUTH_SOCK").is_none() || !public_key.exists() {
        return;
    }
    let mut command = Command::new("ssh-add");
    command.arg("-q").arg("-d").arg(public_key);
    // It may have left by itself.
    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}
