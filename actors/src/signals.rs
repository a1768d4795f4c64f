//! What the system asks of the process.

use std::io;

use async_signal::Signal;
use futures_util::StreamExt;

/// The wish that the process ends: `SIGTERM`, or `SIGINT` from a terminal. From its making on they no longer end the
/// process by themselves.
#[derive(Debug)]
pub struct StopSignals {
    signals: async_signal::Signals,
}

impl StopSignals {
    /// Begins to listen.
    pub fn new() -> io::Result<Self> {
        Ok(Self { signals: async_signal::Signals::new([Signal::Term, Signal::Int])? })
    }

    /// Waits for the next signal: the first asks for a stop in order, one more for an end at once.
    pub async fn next(&mut self) -> io::Result<()> {
        match self.signals.next().await {
            Some(signal) => signal.map(drop),
            // The stream has no end; should it have one, no signal ever comes.
            None => std::future::pending().await,
        }
    }
}
