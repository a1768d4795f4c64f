//! HTTP over a blocking stream: what `ureq` needs to know about it.

use std::fmt;
use std::io::{self, Read, Write};
use std::time::Duration;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

/// A stream that gives up in time.
pub(super) trait Stream: Read + Write + fmt::Debug + Send + Sync + 'static {
    /// Whether what passes is encrypted.
    const ENCRYPTED: bool;

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;
}

/// One connection.
#[derive(Debug)]
pub(super) struct StreamTransport<S> {
    stream: S,
    buffers: LazyBuffers,
}

impl<S: Stream> StreamTransport<S> {
    pub(super) fn new(stream: S, config: &ureq::config::Config) -> Self {
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Self { stream, buffers }
    }
}

impl<S: Stream> Transport for StreamTransport<S> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        self.stream.set_write_timeout(timeout.not_zero().map(|time| *time))?;
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        self.stream.write_all(output).map_err(|error| in_time(error, timeout))?;
        self.stream.flush().map_err(|error| in_time(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        self.stream.set_read_timeout(timeout.not_zero().map(|time| *time))?;
        let read = loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(|error| in_time(error, timeout))?,
            }
        };
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    fn is_open(&mut self) -> bool {
        // Each call takes a fresh connection; none is kept.
        false
    }

    fn is_tls(&self) -> bool {
        S::ENCRYPTED
    }
}

fn in_time(error: io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => error.into(),
    }
}
