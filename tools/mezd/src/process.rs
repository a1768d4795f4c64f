//! What the process owes its system: no core dumps, private files, a word when it is ready.

use std::io::{self, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask};

/// Keys are in memory: no core dump and no other process of this user may see it. Files are private unless made public.
pub(crate) fn harden() -> io::Result<()> {
    umask(Mode::from_raw_mode(0o077));
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Prints the line and notifies systemd. That nobody listens is no reason to stop.
pub(crate) fn announce(line: &str) {
    let mut out = io::stdout();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        log::warn!(error:%; "nobody reads the ready line");
    }
    if let Some(Err(error)) = std::env::var_os("NOTIFY_SOCKET").map(|path| notify(path.as_encoded_bytes())) {
        log::warn!(error:%; "systemd was not notified");
    }
}

fn notify(path: &[u8]) -> io::Result<()> {
    let address = match path.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(String::from_utf8_lossy(path).as_ref())?,
    };
    UnixDatagram::unbound()?.send_to_addr(b"READY=1\n", &address)?;
    Ok(())
}
