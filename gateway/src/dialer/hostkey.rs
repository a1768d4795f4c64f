//! Which host key a node must show: one of the pinned keys, or a certificate of our Host CA where none is pinned.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use mezite_api::Node;
use mezite_ca::{TrustedSet, verify_host_certificate};
use mezite_ssh::client::{HostKeyPolicy, HostKeyRefused};
use mezite_ssh::hostkey;

/// The host key that a node showed last, kept for the message and the audit.
pub type Seen = Arc<OnceLock<Vec<u8>>>;

/// The policy for one node.
pub struct NodeHostKey {
    pinned: Vec<Vec<u8>>,
    host_ca: Arc<TrustedSet>,
    names: Vec<String>,
    seen: Seen,
}

impl NodeHostKey {
    /// For `node`, with the place where what it shows is kept.
    pub fn new(node: &Node, host_ca: Arc<TrustedSet>, seen: Seen) -> Self {
        let names =
            vec![node.spec.hostname.to_string(), node.id().to_string(), node.spec.addr.host.to_string()];
        Self { pinned: pinned_blobs(node), host_ca, names, seen }
    }

    fn is_certified(&self, blob: &[u8]) -> bool {
        let now = SystemTime::now();
        self.names.iter().any(|name| verify_host_certificate(blob, &self.host_ca, now, name).is_ok())
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
    fn algorithms(&self) -> Vec<&'static str> {
        let wanted = |algorithm: &&hostkey::Algorithm| {
            if self.pinned.is_empty() {
                algorithm.certificate
            } else {
                !algorithm.certificate
                    && self.pinned.iter().any(|blob| hostkey::key_blob_type(blob) == Ok(algorithm.key_type))
            }
        };
        hostkey::ALGORITHMS.iter().filter(|a| a.host_key).filter(wanted).map(|a| a.name).collect()
    }

    fn check(&mut self, blob: &[u8]) -> Result<(), HostKeyRefused> {
        // The first key stays: a node that shows another one at a rekey is not let through by it.
        let first = self.seen.get_or_init(|| blob.to_vec()) == blob;
        let right = if self.pinned.is_empty() {
            self.is_certified(blob)
        } else {
            self.pinned.iter().any(|pinned| pinned == blob)
        };
        if first && right { Ok(()) } else { Err(HostKeyRefused) }
    }
}
