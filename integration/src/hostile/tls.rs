//! A TLS client that trusts the cluster's CA and speaks no HTTP of its own.

use std::net::TcpStream;
use std::sync::Arc;

use mezite_fixtures::Scene;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A TLS connection to the HTTPS port.
pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Does the handshake with the gateway of a scene on a connection to its HTTPS port.
pub fn tls(scene: &Scene, mut stream: TcpStream) -> Tls {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(scene.gateway.tls_ca()).expect("the TLS CA in its file");
    roots.add(ca).expect("a certificate of a CA");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a DNS name");
    let mut connection = ClientConnection::new(Arc::new(config), name).expect("a TLS client");
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).expect("the gateway finishes the handshake");
    }
    StreamOwned::new(connection, stream)
}
