//! Which host key a node must show: one of the pinned keys, or a certificate of our Host CA where that is believed.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use mezite_api::{Node, escape};
use mezite_ca::{TrustedSet, verify_host_certificate};
use mezite_ssh::Error;
use mezite_ssh::client::{HostKeyPolicy, HostKeyRefused};
use mezite_ssh::hostkey;

use super::error::{DialError, HostKeyFault};
use crate::leg::LegError;

/// What stands for a pinned key where certificates are believed.
const CERTIFIED: &str = "certificate of the cluster's Host CA";

/// Remembers what a node shows of its host key on one connection, for the message and the audit.
#[derive(Debug, Clone)]
pub struct Witness(Arc<Shown>);

#[derive(Debug)]
struct Shown {
    /// Fingerprints that are pinned, or what stands for them.
    pinned: String,
    /// Whether any key is.
    pins_keys: bool,
    first: OnceLock<Vec<u8>>,
    refused: OnceLock<Vec<u8>>,
    /// The fingerprint of the Host CA's key that has certified the host key that was believed.
    certified_by: OnceLock<String>,
    /// Host key algorithms that the node offers, where they are wanted.
    offered: Option<OnceLock<Vec<String>>>,
}

impl Witness {
    /// For a connection to `node`.
    pub fn new(node: &Node) -> Self {
        Self::expecting(node, None)
    }

    /// The same, which also hears what the node offers.
    pub fn listening(node: &Node) -> Self {
        Self::expecting(node, Some(OnceLock::new()))
    }

    fn expecting(node: &Node, offered: Option<OnceLock<Vec<String>>>) -> Self {
        let keys = node.spec.host_keys.iter().map(|key| key.fingerprint().to_string());
        let certified = node.spec.believes_host_ca().then(|| CERTIFIED.to_owned());
        Self(Arc::new(Shown {
            pinned: keys.chain(certified).collect::<Vec<_>>().join(" or "),
            pins_keys: !node.spec.host_keys.is_empty(),
            first: OnceLock::new(),
            refused: OnceLock::new(),
            certified_by: OnceLock::new(),
            offered,
        }))
    }

    /// The first host key that was shown.
    pub fn shown(&self) -> Option<&[u8]> {
        self.0.first.get().map(Vec::as_slice)
    }

    /// The fingerprint of the Host CA's key that certified its host key, where the node was believed for that.
    pub fn certified_by(&self) -> Option<&str> {
        self.0.certified_by.get().map(String::as_str)
    }

    /// The host key algorithms that the node offers.
    pub fn offered(&self) -> Option<&[String]> {
        self.0.offered.as_ref()?.get().map(Vec::as_slice)
    }

    /// What of the error that ended the leg is about the host key.
    pub fn fault(&self, error: &LegError) -> Option<DialError> {
        let LegError::Engine(error) = error else { return None };
        let (first, refused) = (self.0.first.get(), self.0.refused.get());
        let fingerprint = |blob: Option<&Vec<u8>>| {
            blob.map_or_else(|| "(none)".to_owned(), |blob| hostkey::fingerprint(blob))
        };
        let refusal = match first == refused {
            true if self.0.pins_keys => HostKeyFault::Unknown,
            true => HostKeyFault::Uncertified,
            false => HostKeyFault::Changed,
        };
        let (fault, seen) = match error {
            Error::HostKeyRefused => (refusal, fingerprint(refused)),
            Error::HostKeyUnproven => (HostKeyFault::Unproven, fingerprint(first)),
            Error::Incompatible { what: "host key algorithm", theirs } => {
                (refusal, format!("(of another type: {})", escape(theirs)))
            }
            _ => return None,
        };
        Some(DialError::HostKey { fault, pinned: self.0.pinned.clone(), seen })
    }
}

/// The policy for one node.
pub struct NodeHostKey {
    pinned: Vec<Vec<u8>>,
    believes_host_ca: bool,
    host_ca: Arc<TrustedSet>,
    names: Vec<String>,
    witness: Witness,
}

impl NodeHostKey {
    /// For `node`; `witness` is told what it shows.
    pub fn new(node: &Node, host_ca: Arc<TrustedSet>, witness: Witness) -> Self {
        let names = vec![node.spec.hostname.folded(), node.id().to_string(), node.spec.addr.host.folded()];
        let believes_host_ca = node.spec.believes_host_ca();
        Self { pinned: pinned_blobs(node), believes_host_ca, host_ca, names, witness }
    }

    fn is_certified(&self, blob: &[u8]) -> bool {
        let now = SystemTime::now();
        let verified =
            self.names.iter().find_map(|name| verify_host_certificate(blob, &self.host_ca, now, name).ok());
        if let Some(certificate) = &verified {
            self.witness.0.certified_by.get_or_init(|| certificate.signed_by.fingerprint());
        }
        verified.is_some()
    }
}

/// The pinned keys of a node as blobs.
pub fn pinned_blobs(node: &Node) -> Vec<Vec<u8>> {
    node.spec
        .host_keys
        .iter()
        .filter_map(|key| ssh_key::PublicKey::from(key.key_data().clone()).to_bytes().ok())
        .collect()
}

impl HostKeyPolicy for NodeHostKey {
    fn listens(&self) -> bool {
        self.witness.0.offered.is_some()
    }

    fn offered(&mut self, names: &[String]) {
        if let Some(offered) = &self.witness.0.offered {
            offered.get_or_init(|| names.to_vec());
        }
    }

    fn algorithms(&self) -> Vec<&'static str> {
        let wanted = |algorithm: &&hostkey::Algorithm| {
            if algorithm.certificate {
                self.believes_host_ca
            } else {
                self.pinned.iter().any(|blob| hostkey::key_blob_type(blob) == Ok(algorithm.key_type))
            }
        };
        hostkey::ALGORITHMS.iter().filter(|a| a.host_key).filter(wanted).map(|a| a.name).collect()
    }

    fn check(&mut self, blob: &[u8]) -> Result<(), HostKeyRefused> {
        // The first key stays: a node that shows another one at a rekey is not let through by it.
        let shown = &self.witness.0;
        let first = shown.first.get_or_init(|| blob.to_vec()) == blob;
        let right = self.pinned.iter().any(|pinned| pinned == blob)
            || self.believes_host_ca && self.is_certified(blob);
        if first && right {
            return Ok(());
        }
        shown.refused.get_or_init(|| blob.to_vec());
        Err(HostKeyRefused)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mezite_api::node::NodeSpec;
    use mezite_api::{HostKey, Labels, NodeAddress, NodeName};
    use mezite_ca::{
        CaKind, HostCertificateRequest, KeyAlgorithm, PublicKey, SshCaKey, issue_host_certificate,
    };
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_certificate_is_for_the_name_the_uuid_or_the_address_however_they_are_written() {
        let ca = SshCaKey::generate(CaKind::Host, KeyAlgorithm::Ed25519, jiff::Timestamp::now()).unwrap();
        let trusted = Arc::new(TrustedSet::new(CaKind::Host, [ca.public().clone()]));
        let id = Uuid::new_v4();
        let spec = NodeSpec {
            hostname: NodeName::parse("DB-1").unwrap(),
            addr: NodeAddress::parse("[::ffff:10.0.0.7]:22").unwrap(),
            host_keys: Vec::new(),
            host_ca: true,
        };
        let node = Node::new(id, Labels::new(), spec);
        let certified = |node: &Node, name: &str| {
            let key = PublicKey::from_key_data(ca.public().key_data()).unwrap();
            let request = HostCertificateRequest {
                key,
                key_id: "host".to_owned(),
                names: vec![name.to_owned()],
                lifetime: Duration::from_mins(1),
            };
            let certificate = issue_host_certificate(&ca, &request, SystemTime::now()).unwrap();
            let mut policy = NodeHostKey::new(node, Arc::clone(&trusted), Witness::new(node));
            policy.check(certificate.blob()).is_ok()
        };
        let believed = |name: &str| certified(&node, name);
        for name in ["db-1", "Db-1", &id.to_string(), "10.0.0.7"] {
            assert!(believed(name), "{name}");
        }
        for name in ["db-2", "db-1.example", "10.0.0.8"] {
            assert!(!believed(name), "{name}");
        }
        let mut pinned = node.clone();
        pinned.spec.host_keys = vec![HostKey::from_key_data(ca.public().key_data().clone()).unwrap()];
        assert!(certified(&pinned, "db-1"), "both are believed");
        pinned.spec.host_ca = false;
        assert!(!certified(&pinned, "db-1"), "only the key is, which the certificate is for");
    }
}
