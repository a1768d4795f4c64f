//! TLS on our own listeners: client certificates of the cluster's TLS CA where a client has one, no resumption, no early
//! data, HTTP/1.1 only.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_rustls::TlsAcceptor;
use futures_util::future::Either;
use mezite_actors::{Kind, Rank, Stop, blocking, time};
use mezite_ca::{
    ClientCertificate, ClientCertificateRefusal, ClientTrust, ServerCertificate, TlsError, Verified,
    verify_client_certificate,
};
use mezite_store::AuditEntry;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};

use super::server_certificate::{CertificateFileError, CertificateFiles, FilesState, ServerCertificates};
use crate::audit::{Auditor, GATEWAY};
use crate::authority::{Authority, AuthorityError};
use crate::race::race;

/// The task that keeps the server's certificates up to date, for the supervisor.
pub const UPKEEP: Kind = Kind { name: "tls", rank: Rank::Front, capacity: 1 };
/// How often the certificate of the cluster's CA is made anew; it lives much longer.
const RENEWAL: Duration = Duration::from_hours(24);
/// How often the operator's files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// No certificate.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The operator's certificate is not usable.
    #[error(transparent)]
    File(#[from] CertificateFileError),
    /// The TLS CA is not usable.
    #[error(transparent)]
    Ca(#[from] TlsError),
    /// The certificate or the settings are not usable.
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

/// TLS as it is spoken now: with which certificates, and whom it believes.
#[derive(Clone)]
pub struct Tls {
    pub(super) acceptor: TlsAcceptor,
    trust: Arc<ClientTrust>,
    certificates: Arc<ServerCertificates>,
}

impl Tls {
    /// With a fresh certificate of the cluster's CA, and with the operator's where there is one. Blocks while its
    /// files are read.
    pub async fn new(
        authority: &Authority,
        operator: Option<&CertificateFiles>,
    ) -> Result<Self, TlsSetupError> {
        let operator = operator.map(CertificateFiles::load).transpose()?;
        let cluster = cluster_pair(authority).await?;
        let certificates = Arc::new(ServerCertificates::new(cluster, operator));
        let ca = [authority.tls_certificate().clone()];
        let trust = Arc::new(ClientTrust::new(authority.cluster(), &ca, authority.recovery_window())?);
        let config = server_config(Arc::clone(&certificates), Arc::clone(&trust))?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), trust, certificates })
    }

    /// Renews the certificate of the cluster's CA in time, and reads the operator's again when its files have changed,
    /// until the front drains. What cannot be used leaves the last good one in its place, and an event.
    pub async fn keep(
        self,
        authority: Authority,
        auditor: Auditor,
        operator: Option<CertificateFiles>,
        stop: Stop,
    ) {
        let mut renewal = Instant::now() + RENEWAL;
        let mut watch = operator.map(FileWatch::new);
        loop {
            let wake = if watch.is_some() { Instant::now() + LOOK } else { renewal };
            if let Either::Left(()) = race(stop.drain.wait(), time::sleep_until(wake)).await {
                return;
            }
            if Instant::now() >= renewal {
                renewal = Instant::now() + RENEWAL;
                match cluster_pair(&authority).await {
                    Ok(pair) => self.certificates.set_cluster(pair),
                    Err(error) => log::error!(error:%; "the TLS certificate is not renewed"),
                }
            }
            if let Some(watched) = watch.take() {
                let (watched, loaded) = blocking::run(move || watched.look()).await;
                watch = Some(watched);
                if let Some(loaded) = loaded {
                    self.take(loaded, &auditor).await;
                }
            }
        }
    }

    /// The event is on disk before a new certificate is shown; without it the last good one stays.
    async fn take(&self, loaded: Result<CertifiedKey, CertificateFileError>, auditor: &Auditor) {
        let event = AuditEntry::new("gateway.certificate").with("actor", GATEWAY);
        match loaded {
            Ok(pair) => match auditor.record(event.with("outcome", "ok")).await {
                Ok(()) => {
                    self.certificates.set_operator(pair);
                    log::info!("read the TLS certificate again");
                }
                Err(error) => log::error!(error:%; "the new TLS certificate is not taken: no audit"),
            },
            Err(error) => {
                log::error!(error:%; "the TLS certificate is not taken; the last good one stays");
                let event = event
                    .with("outcome", "failed")
                    .with("file", error.path.display().to_string())
                    .with("reason", mezite_api::escape(error.fault.to_string()));
                auditor.note(event);
            }
        }
    }

    /// What the certificate says that the client has shown in a handshake; nothing where it has shown none.
    pub(super) fn client(
        &self,
        handshake: &rustls::ServerConnection,
    ) -> Result<Option<Verified<ClientCertificate>>, ClientCertificateRefusal> {
        let chain = handshake.peer_certificates();
        chain.map(|chain| verify_client_certificate(chain, &self.trust, SystemTime::now())).transpose()
    }
}

/// The operator's files, and how they were when they were last read.
struct FileWatch {
    files: CertificateFiles,
    read: FilesState,
    seen: FilesState,
}

impl FileWatch {
    fn new(files: CertificateFiles) -> Self {
        let state = files.state();
        Self { files, read: state.clone(), seen: state }
    }

    /// Reads the files when they have changed and stand still. Blocks.
    fn look(mut self) -> (Self, Option<Result<CertifiedKey, CertificateFileError>>) {
        let now = self.files.state();
        let settled = now == self.seen;
        self.seen = now.clone();
        if now == self.read || !settled {
            return (self, None);
        }
        self.read = now;
        let loaded = self.files.load();
        (self, Some(loaded))
    }
}

async fn cluster_pair(authority: &Authority) -> Result<CertifiedKey, TlsSetupError> {
    let ServerCertificate { chain, key, .. } = authority.server_certificate().await?;
    Ok(CertifiedKey::new(chain, any_supported_type(&key)?))
}

fn server_config(
    certificates: Arc<ServerCertificates>,
    trust: Arc<ClientTrust>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = ClientVerifier::new(trust, provider.signature_verification_algorithms);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A resumed session would carry who the client was past a lock or an expiry.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

/// Asks for a client certificate and lets in who has none; one that is shown must be believed.
#[derive(Debug)]
struct ClientVerifier {
    trust: Arc<ClientTrust>,
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientVerifier {
    fn new(trust: Arc<ClientTrust>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        let hints = trust.subjects().map(DistinguishedName::in_sequence).collect();
        Self { trust, hints, algorithms }
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).cloned().collect();
        let now = UNIX_EPOCH + Duration::from_secs(now.as_secs());
        match verify_client_certificate(&chain, &self.trust, now) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(refusal) => Err(alert(refusal).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The alert that says so.
fn alert(refusal: ClientCertificateRefusal) -> CertificateError {
    use ClientCertificateRefusal as Refusal;
    match refusal {
        Refusal::Malformed => CertificateError::BadEncoding,
        Refusal::NotYetValid => CertificateError::NotValidYet,
        Refusal::Expired => CertificateError::Expired,
        Refusal::UnknownCa => CertificateError::UnknownIssuer,
        Refusal::Usage => CertificateError::InvalidPurpose,
        Refusal::Unverified => CertificateError::BadSignature,
        Refusal::Chain | Refusal::Identity | Refusal::Lifetime | Refusal::Key => {
            CertificateError::ApplicationVerificationFailure
        }
    }
}
