//! One small document of somebody else's HTTPS server: nothing is sent before it has proved itself, and nothing is
//! believed to be small or soon.

use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use ureq::config::Config;
use ureq::unversioned::transport::{ConnectionDetails, Connector};
use ureq::{Agent, Error};

use super::tls::{self, TlsStream};
use super::transport::StreamTransport;
use super::trust::Trust;
use super::unix::NoResolver;
use crate::oidc::HttpsUrl;
use crate::{Host, Invalid};

/// Whether a connection that stands, from and to these addresses, may be used.
pub type Judge = dyn Fn(SocketAddr, SocketAddr) -> io::Result<()> + Send + Sync;

/// What is fetched, from whom, and within what.
pub struct Fetch {
    /// The document.
    pub url: HttpsUrl,
    /// The addresses of its server, looked at already: no name is resolved again.
    pub addresses: Vec<SocketAddr>,
    /// Looks at the connection before anything is sent.
    pub judge: Arc<Judge>,
    /// Who must have signed the server's certificate.
    pub trust: Trust,
    /// The most bytes.
    pub limit: u64,
    /// When it must have come.
    pub deadline: Instant,
}

impl Fetch {
    /// Fetches it. Blocks. Redirects are not followed.
    pub fn run(self) -> Result<Vec<u8>, String> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let config = Config::builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_idle_connections(0)
            .max_response_header_size(16 * 1024)
            .timeout_global(Some(left))
            .build();
        let (url, limit) = (self.url.clone(), self.limit);
        let connector = FetchConnector::new(self).map_err(|error| error.to_string())?;
        let agent = Agent::with_parts(config, connector, NoResolver);
        let answer = agent.get(url.as_str()).header("Accept", "application/json").call();
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status() != 200 {
            return Err(format!("status {}", answer.status().as_u16()));
        }
        let mut bytes = Vec::new();
        let mut body = answer.into_body().into_with_config().limit(limit).reader();
        body.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}

struct FetchConnector {
    fetch: FetchParts,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

struct FetchParts {
    addresses: Vec<SocketAddr>,
    judge: Arc<Judge>,
    deadline: Instant,
}

impl std::fmt::Debug for FetchConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchConnector").field("name", &self.name).finish_non_exhaustive()
    }
}

impl FetchConnector {
    fn new(fetch: Fetch) -> Result<Self, Invalid> {
        let name = match &fetch.url.address().host {
            Host::Ip(ip) => ServerName::IpAddress((*ip).into()),
            Host::Name(name) => ServerName::try_from(name.as_str().to_owned())
                .map_err(|_| Invalid::new("url", "must have a name that a certificate can have"))?,
        };
        let config = Arc::new(tls::config(fetch.trust, None)?);
        let Fetch { addresses, judge, deadline, .. } = fetch;
        Ok(Self { fetch: FetchParts { addresses, judge, deadline }, config, name })
    }

    fn open(&self) -> io::Result<TlsStream> {
        let FetchParts { addresses, judge, deadline } = &self.fetch;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address that may be dialled");
        for address in addresses {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let stream = TcpStream::connect_timeout(address, left)
                .and_then(|stream| judge(stream.local_addr()?, stream.peer_addr()?).map(|()| stream));
            match stream {
                Ok(stream) => return tls::handshake(stream, &self.config, &self.name, *deadline),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Connector for FetchConnector {
    type Out = StreamTransport<TlsStream>;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Self::Out>, Error> {
        Ok(Some(StreamTransport::new(self.open()?, details.config)))
    }
}
