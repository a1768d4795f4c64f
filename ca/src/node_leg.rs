//! The credential that the gateway shows to a node: a key and a certificate made for one connection.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use ssh_key::PrivateKey;

use crate::ca_key::generate_private_key;
use crate::certificate::CertificateType;
use crate::issue::{CertificateBody, CertificateSigner, IssueError, IssuedCertificate, issue, validity};
use crate::kind::{CaKind, KeyAlgorithm};
use crate::options::Permits;
use crate::public_key::PublicKey;
use crate::random;
use crate::text::value;

/// Longest life of a node-leg certificate: it is needed until the node has let us in.
pub const MAX_NODE_LEG_LIFETIME: Duration = Duration::from_mins(5);

/// Longest login, in bytes: what Linux accounts may have.
const MAX_LOGIN_LENGTH: usize = 32;

/// What a node-leg credential is for.
#[derive(Clone, Debug)]
pub struct NodeLegRequest<'a> {
    /// The account on the node: the one principal.
    pub login: &'a str,
    /// Who connects, for the node's log.
    pub user: &'a str,
    /// The node's name, for the node's log.
    pub node: &'a str,
    /// The connection's id, for the node's log.
    pub connection: &'a str,
    /// What was decided.
    pub permits: Permits,
    /// How long it shall live: at most [`MAX_NODE_LEG_LIFETIME`].
    pub lifetime: Duration,
}

/// A fresh private key and its certificate. It lives in memory only and is wiped when dropped.
pub struct NodeLegCredential {
    key: PrivateKey,
    certificate: IssuedCertificate,
    signed_by: PublicKey,
}

impl NodeLegCredential {
    /// Makes a key and has it certified, by the OpenSSH CA or, for nodes that trust only that one, by the User CA.
    pub fn issue(
        signer: &dyn CertificateSigner,
        algorithm: KeyAlgorithm,
        request: &NodeLegRequest<'_>,
        now: SystemTime,
    ) -> Result<Self, IssueError> {
        if !matches!(signer.kind(), CaKind::OpenSsh | CaKind::User) {
            return Err(IssueError::WrongCa(signer.kind()));
        }
        if !is_login(request.login) {
            return Err(IssueError::Login);
        }
        let (valid_after, valid_before) = validity(now, request.lifetime, MAX_NODE_LEG_LIFETIME)?;
        let key = generate_private_key(algorithm)?;
        let subject = PublicKey::from_key_data(key.public_key().key_data())
            .map_err(|_| IssueError::Deviation("the key"))?;
        let mut extensions = BTreeMap::new();
        // A node knows nothing of the gateway's own permit.
        Permits { listed_forwarding: false, ..request.permits }.add_to(&mut extensions);
        let certificate = issue(
            signer,
            CertificateBody {
                certificate_type: CertificateType::User,
                subject,
                nonce: *random::bytes()?,
                serial: random::serial()?,
                key_id: key_id(request),
                principals: vec![request.login.to_owned()],
                valid_after,
                valid_before,
                critical_options: BTreeMap::new(),
                extensions,
            },
        )?;
        Ok(Self { key, certificate, signed_by: signer.public().clone() })
    }

    /// The private key.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// The certificate.
    pub fn certificate(&self) -> &IssuedCertificate {
        &self.certificate
    }

    /// The CA key that signed it.
    pub fn signed_by(&self) -> &PublicKey {
        &self.signed_by
    }
}

impl fmt::Debug for NodeLegCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeLegCredential").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

fn key_id(request: &NodeLegRequest<'_>) -> String {
    format!(
        "user={} login={} node={} conn={}",
        value(request.user),
        value(request.login),
        value(request.node),
        value(request.connection)
    )
}

/// An account name: POSIX's portable file name characters, no hyphen first, and not only dots.
fn is_login(login: &str) -> bool {
    let portable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    login.len() <= MAX_LOGIN_LENGTH
        && login.bytes().all(portable)
        && !login.starts_with('-')
        && login.bytes().any(|byte| byte != b'.')
}
