//! TLS on our own listeners: one server certificate of the cluster's TLS CA, no resumption, HTTP/1.1 only.

use std::sync::Arc;
use std::time::Duration;

use futures_rustls::TlsAcceptor;
use mezite_ca::ServerCertificate;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::NoServerSessionStorage;

use crate::authority::{Authority, AuthorityError};

/// How often the server certificate is made anew; it lives much longer.
pub const CERTIFICATE_RENEWAL: Duration = Duration::from_hours(24);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// No certificate.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The certificate or the settings are not usable.
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

/// An acceptor with a fresh server certificate.
pub async fn acceptor(authority: &Authority) -> Result<TlsAcceptor, TlsSetupError> {
    let config = server_config(authority.server_certificate().await?)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn server_config(certificate: ServerCertificate) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificate.chain, certificate.key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A resumed session would carry who the client was past a lock or an expiry.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
