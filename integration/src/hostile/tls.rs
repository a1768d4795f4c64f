//! A TLS client that trusts the cluster's CA, shows whatever certificate a test wants, and speaks no HTTP of its own.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use mezite_fixtures::Gateway;
use mezite_fixtures::Scene;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, SignatureScheme, StreamOwned, SupportedProtocolVersion,
};
use serde_json::Value;

/// A TLS connection to the HTTPS port.
pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// What a client shows of itself: a chain, and a key that need not belong to it.
#[derive(Debug)]
pub struct Shown(Arc<CertifiedKey>);

impl Shown {
    /// This chain and this key.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'static>) -> Self {
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(key).expect("a key for TLS");
        Self(Arc::new(CertifiedKey::new(chain, key)))
    }

    /// What `mezctl auth sign --format=tls --out=PREFIX` has written.
    pub fn at(prefix: &Path) -> Self {
        let file = |ending: &str| format!("{}{ending}", prefix.display());
        let chain = CertificateDer::from_pem_file(file(".crt")).expect("a certificate in its file");
        let key = PrivateKeyDer::from_pem_file(file(".key")).expect("a key in its file");
        Self::new(vec![chain], &key)
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// How a client of the gateway is set up that shows `shown`.
pub fn config(gateway: &Gateway, shown: Option<Shown>) -> ClientConfig {
    config_of(gateway, shown, rustls::ALL_VERSIONS)
}

/// The same, of these versions of TLS only.
pub fn config_of(
    gateway: &Gateway,
    shown: Option<Shown>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(gateway.tls_ca()).expect("the TLS CA in its file");
    roots.add(ca).expect("a certificate of a CA");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    match shown {
        Some(shown) => config.with_client_cert_resolver(Arc::new(shown)),
        None => config.with_no_client_auth(),
    }
}

/// Does the handshake with the gateway of a scene on a connection to its HTTPS port.
pub fn tls(scene: &Scene, stream: TcpStream) -> Tls {
    handshake(config(&scene.gateway, None), stream).expect("the gateway finishes the handshake")
}

/// A connection of a client that shows `shown`, whom the gateway must let in.
pub fn tls_as(gateway: &Gateway, shown: Shown) -> Tls {
    try_tls(gateway, config(gateway, Some(shown))).expect("the gateway finishes the handshake")
}

/// A connection of a client that is set up like this.
pub fn try_tls(gateway: &Gateway, config: ClientConfig) -> io::Result<Tls> {
    handshake(config, TcpStream::connect(gateway.https())?)
}

fn handshake(config: ClientConfig, mut stream: TcpStream) -> io::Result<Tls> {
    let name = ServerName::try_from("localhost").expect("a DNS name");
    let mut connection = ClientConnection::new(Arc::new(config), name).expect("a TLS client");
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

/// An answer: its status, its head and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The status line and the fields.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answered {
    /// Reads one answer off a connection.
    pub fn read(stream: &mut impl io::Read) -> io::Result<Self> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let head = String::from_utf8(head).expect("a head of text");
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body)?;
        Ok(Self { status, head, body })
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {self:?}"))
    }
}

/// Sends a request without a body and reads its answer.
pub fn request(stream: &mut Tls, line: &str) -> io::Result<Answered> {
    stream.write_all(format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
    stream.flush()?;
    Answered::read(stream)
}

/// Whether the gateway has closed the connection.
pub fn is_closed(stream: &mut Tls) -> bool {
    !matches!(stream.read(&mut [0]), Ok(1..))
}
