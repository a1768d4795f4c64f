//! The gateway of this machine, over its Unix socket.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout};

use super::transport::{Stream, StreamTransport};

/// Connects every request to one socket.
#[derive(Debug)]
pub(super) struct UnixConnector {
    pub(super) socket: PathBuf,
}

impl Connector for UnixConnector {
    type Out = StreamTransport<UnixStream>;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Self::Out>, Error> {
        let stream = UnixStream::connect(&self.socket)?;
        Ok(Some(StreamTransport::new(stream, details.config)))
    }
}

impl Stream for UnixStream {
    const ENCRYPTED: bool = false;

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_write_timeout(timeout)
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)
    }
}

/// Answers every name with an address that nobody dials: connectors know where to go.
#[derive(Debug)]
pub(super) struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        Ok(addresses)
    }
}
