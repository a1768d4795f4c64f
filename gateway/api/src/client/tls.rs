//! A gateway somewhere else, over HTTPS.

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::Error;
use ureq::unversioned::transport::{ConnectionDetails, Connector};

use super::credentials::Credentials;
use super::server::Server;
use super::transport::{Stream, StreamTransport};
use super::trust::Trust;
use crate::Invalid;

/// For the connection and the handshake.
const CONNECT_TIME: Duration = Duration::from_secs(15);

/// Says in the handshake that the client knows the cluster's TLS CA, so that it is shown a certificate of that CA also
/// where the gateway has another one for everybody else.
const CLUSTER_CA: &[u8] = b"mezite-ca";

/// Connects every request to one server.
pub(super) struct TlsConnector {
    server: Server,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl std::fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsConnector").field("server", &self.server).finish_non_exhaustive()
    }
}

impl TlsConnector {
    pub(super) fn new(
        server: Server,
        trust: Trust,
        credentials: Option<Credentials>,
    ) -> Result<Self, Invalid> {
        let knows_ca = !matches!(trust, Trust::System);
        let mut config = config(trust, credentials)?;
        if knows_ca {
            config.alpn_protocols.push(CLUSTER_CA.to_vec());
        }
        Ok(Self { name: server.name()?, server, config: Arc::new(config) })
    }

    /// A TCP connection to the first address that answers.
    fn dial(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (self.server.host(), self.server.port()).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_TIME) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The connection with its handshake done: nothing is sent before the server has proved itself.
    fn open(&self) -> io::Result<TlsStream> {
        handshake(self.dial()?, &self.config, &self.name, Instant::now() + CONNECT_TIME)
    }
}

pub(super) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// HTTP over TLS with whoever `trust` believes.
pub(super) fn config(trust: Trust, credentials: Option<Credentials>) -> Result<ClientConfig, Invalid> {
    let unusable = |error: rustls::Error| Invalid::new("credentials", error.to_string());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = trust.verifier(&provider)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match credentials {
        Some(Credentials { chain, key }) => config.with_client_auth_cert(chain, key).map_err(unusable)?,
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Has the server prove that it is called so, in time.
pub(super) fn handshake(
    mut stream: TcpStream,
    config: &Arc<ClientConfig>,
    name: &ServerName<'static>,
    deadline: Instant,
) -> io::Result<TlsStream> {
    stream.set_nodelay(true)?;
    let unusable = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut connection = ClientConnection::new(Arc::clone(config), name.clone()).map_err(unusable)?;
    while connection.is_handshaking() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        stream.set_write_timeout(Some(left))?;
        // Step by step: whoever answers byte by byte gets no more time than whoever does not answer.
        if connection.wants_write() {
            connection.write_tls(&mut stream)?;
        } else if connection.read_tls(&mut stream)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        } else if let Err(error) = connection.process_new_packets() {
            // The server is told why, where it still listens.
            let _ = connection.write_tls(&mut stream);
            return Err(unusable(error));
        }
    }
    Ok(StreamOwned::new(connection, stream))
}

impl Connector for TlsConnector {
    type Out = StreamTransport<TlsStream>;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Self::Out>, Error> {
        Ok(Some(StreamTransport::new(self.open()?, details.config)))
    }
}

impl Stream for TlsStream {
    const ENCRYPTED: bool = true;

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.sock.set_write_timeout(timeout)
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.sock.set_read_timeout(timeout)
    }
}
