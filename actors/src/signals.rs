//! What the system asks of the process.

use std::io;
use std::os::unix::net;

use futures_util::AsyncReadExt as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::net::UnixStream;

/// The wish that the process ends: `SIGTERM`, or `SIGINT` from a terminal. From its making on they no longer end the
/// process by themselves.
#[derive(Debug)]
pub struct StopSignals {
    /// A byte for each signal.
    signals: UnixStream,
}

impl StopSignals {
    /// Begins to listen.
    pub fn new() -> io::Result<Self> {
        let (signals, signalled) = net::UnixStream::pair()?;
        pipe::register(SIGTERM, signalled.try_clone()?)?;
        pipe::register(SIGINT, signalled)?;
        Ok(Self { signals: UnixStream::new(signals)? })
    }

    /// Waits for the next signal: the first asks for a stop in order, one more for an end at once.
    pub async fn next(&mut self) -> io::Result<()> {
        self.signals.read_exact(&mut [0]).await
    }
}
