//! How the gateway proves itself to SSH clients: its host key inside certificates of the Host CA, for its own names
//! and for the node that a way in names.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mezite_ca::ssh_key::{Algorithm, EcdsaCurve, PrivateKey};
use mezite_ca::{
    HostCertificateRequest, IssueError, IssuedCertificate, KeyAlgorithm, PublicKey, SshCaKey,
    issue_host_certificate,
};
use mezite_ssh::hostkey::{KeyPair, KeyPairError, Signer};
use mezite_store::AuditEntry;
use rand_core::OsRng;

use super::AuthorityError;
use super::user::timestamp_of_seconds;

/// How long a host certificate lives.
const LIFETIME: Duration = Duration::from_hours(24);
/// A host certificate with less life than this is made anew.
const RENEWED_BEFORE_END: Duration = Duration::from_hours(12);
/// Most names whose certificates are kept; beyond that all are forgotten and made again when they are asked for.
const KEPT_MAX: usize = 1024;

/// How long a node's host certificate lives. The node asks for the next one when a third of that is left.
pub const NODE_LIFETIME: Duration = Duration::from_hours(365 * 24);

/// Asks for a host certificate. That the host has the key, and may have the names, is for the caller to know.
#[derive(Debug, Clone)]
pub struct HostOrder {
    /// The host key.
    pub key: PublicKey,
    /// For people who read logs.
    pub key_id: String,
    /// The host's names.
    pub names: Vec<String>,
    /// How long it shall live.
    pub lifetime: Duration,
}

/// Signs it. The event must be committed before the certificate is given away, with who has asked for it.
pub(super) fn sign(
    ca: &SshCaKey,
    order: HostOrder,
    now: SystemTime,
) -> Result<(IssuedCertificate, AuditEntry), AuthorityError> {
    let HostOrder { key, key_id, names, lifetime } = order;
    let request = HostCertificateRequest { key, key_id, names, lifetime };
    let certificate = issue_host_certificate(ca, &request, now)?;
    let body = certificate.body();
    let event = AuditEntry::new("cert.issue")
        .with("outcome", "ok")
        .with("kind", "host")
        .with("serial", body.serial)
        .with("key", body.subject.fingerprint())
        .with("ca_key", ca.public().fingerprint())
        .with("principals", body.principals.clone())
        .with("valid_before", timestamp_of_seconds(body.valid_before).to_string());
    Ok((certificate, event))
}

/// Host keys as an SSH server shows them, most preferred first.
pub type HostKeys = Vec<Arc<dyn Signer>>;

/// Why there is no host certificate.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// It was not issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The key is not one that hosts have.
    #[error("the gateway's host key cannot be used")]
    Key,
    /// Key and certificate do not go together.
    #[error(transparent)]
    Pair(#[from] KeyPairError),
}

/// The gateway's host key and the certificates that were made for it.
pub(super) struct Host {
    key: PrivateKey,
    own_names: Vec<String>,
    kept: HashMap<String, Kept>,
}

struct Kept {
    keys: HostKeys,
    valid_before: SystemTime,
}

impl Host {
    /// With the gateway's key and its own names.
    pub(super) fn new(key: PrivateKey, own_names: Vec<String>) -> Self {
        Self { key, own_names, kept: HashMap::new() }
    }

    /// The keys to show: the certificate first, for clients that know it, then the plain key. `node`: the name that
    /// the client believes to talk to, where its way in says so; the certificate is for this name too.
    pub(super) fn keys(
        &mut self,
        ca: &SshCaKey,
        node: Option<&str>,
        now: SystemTime,
    ) -> Result<HostKeys, HostKeyError> {
        let name = node.unwrap_or_default().to_ascii_lowercase();
        let fresh = |kept: &&Kept| now + RENEWED_BEFORE_END < kept.valid_before;
        if let Some(kept) = self.kept.get(&name).filter(fresh) {
            return Ok(kept.keys.clone());
        }
        let mut names = self.own_names.clone();
        if !name.is_empty() && !names.contains(&name) {
            names.insert(0, name.clone());
        }
        let key =
            PublicKey::from_key_data(self.key.public_key().key_data()).map_err(|_| HostKeyError::Key)?;
        let request = HostCertificateRequest { key, key_id: "gateway".to_owned(), names, lifetime: LIFETIME };
        let certificate = issue_host_certificate(ca, &request, now)?;
        let certified = KeyPair::new(self.key.clone())?.with_certificate(certificate.blob().to_vec())?;
        let keys: HostKeys = vec![Arc::new(certified), Arc::new(KeyPair::new(self.key.clone())?)];
        if self.kept.len() >= KEPT_MAX {
            self.kept.clear();
        }
        self.kept.insert(name, Kept { keys: keys.clone(), valid_before: certificate.valid_before() });
        Ok(keys)
    }
}

/// Makes a host key.
pub(super) fn generate_key(algorithm: KeyAlgorithm) -> Result<PrivateKey, mezite_ca::ssh_key::Error> {
    let algorithm = match algorithm {
        KeyAlgorithm::Ed25519 => Algorithm::Ed25519,
        KeyAlgorithm::P256 => Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    };
    PrivateKey::random(&mut OsRng, algorithm)
}
