//! The private keys of the cluster: made at the first start, sealed in the store, opened at each later one.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use mezite_ca::ssh_key::PrivateKey;
use mezite_ca::{
    CaKeyError, CaKind, KeyFileError, SealError, SealRecord, SealSource, SealedTlsCa, SealingKey, TlsCa,
    TlsError, create_key_file,
};
use mezite_store::{AuditEntry, Batch, CommitError, Keyspace, Precondition, ReadError, Revision, Store};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ring::Ring;
use crate::audit::GATEWAY;
use crate::config::Config;

/// Keys in [`Keyspace::Meta`].
const CLUSTER: &[u8] = b"cluster";
const SEAL: &[u8] = b"seal";
/// Keys in [`Keyspace::Keys`]: the kind of the CA, and for the key that signs.
const ACTIVE: &str = "active";

/// Why the cluster's keys are not at hand. Nothing was changed, unless a key file was made.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The store belongs to another cluster.
    #[error("this store belongs to cluster {stored:?}, but cluster_name is {given:?}")]
    OtherCluster {
        /// The store's cluster.
        stored: String,
        /// The configured one.
        given: String,
    },
    /// The store is in use but a key is not there. New keys are never made in its place: every certificate and
    /// every trusted CA line out there would be worth nothing, without anybody having asked for it.
    #[error("the store has no {0}, but it is not new: restore it from a backup; new keys are not made here")]
    Missing(String),
    /// A stored key cannot be understood.
    #[error("the stored {what} is damaged: {error}")]
    Damaged {
        /// Which.
        what: String,
        /// How.
        error: serde_json::Error,
    },
    /// Sealing or opening failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The key file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// An SSH CA key.
    #[error(transparent)]
    CaKey(#[from] CaKeyError),
    /// The TLS CA.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The gateway's host key.
    #[error("the gateway's host key: {0}")]
    HostKey(#[from] mezite_ca::ssh_key::Error),
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// The cluster's private keys, open.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) user: Ring,
    pub(super) openssh: Ring,
    pub(super) host: Ring,
    pub(super) tls: Arc<TlsCa>,
    /// The key that the gateway itself shows to SSH clients.
    pub(super) gateway: PrivateKey,
    /// What else is sealed in the store is sealed with it.
    pub(super) sealing: Arc<SealingKey>,
}

/// The store's cluster, as it is stored.
#[derive(Serialize, Deserialize)]
struct Cluster {
    version: u32,
    name: String,
}

/// The gateway's host key, as it is stored: the public half in clear, the private half sealed and bound to it.
#[derive(Serialize, Deserialize)]
struct SealedHostKey {
    public: String,
    secret: mezite_ca::SealedSecret,
}

impl Keys {
    /// Opens the keys of a store, or makes them where the store is new.
    pub(super) fn open_or_create(store: &Store, config: &Config) -> Result<Self, KeysError> {
        if let SealSource::Unsealed = config.seal {
            log::warn!("--unsealed: the private keys of the CAs lie in the store as they are");
        }
        if store.revision()? == 0 { Self::create(store, config) } else { Self::open(store, config) }
    }

    fn open(store: &Store, config: &Config) -> Result<Self, KeysError> {
        let cluster: Cluster = read(store, Keyspace::Meta, CLUSTER, "cluster name")?;
        if cluster.name != config.cluster_name {
            let given = config.cluster_name.clone();
            return Err(KeysError::OtherCluster { stored: cluster.name, given });
        }
        let record: SealRecord = read(store, Keyspace::Meta, SEAL, "seal record")?;
        let sealing = record.open(&config.seal)?;
        let ssh = |kind: CaKind| Ring::open(store, kind, &sealing);
        let tls: SealedTlsCa = read(store, Keyspace::Keys, &active(CaKind::Tls), "tls CA key")?;
        let gateway: SealedHostKey = read(store, Keyspace::Keys, GATEWAY.as_bytes(), "gateway host key")?;
        Ok(Self {
            user: ssh(CaKind::User)?,
            openssh: ssh(CaKind::OpenSsh)?,
            host: ssh(CaKind::Host)?,
            tls: Arc::new(tls.open(&sealing)?),
            gateway: gateway.open(&sealing)?,
            sealing: Arc::new(sealing),
        })
    }

    fn create(store: &Store, config: &Config) -> Result<Self, KeysError> {
        if let (true, SealSource::KeyFile(path)) = (config.own_seal_key, &config.seal) {
            create_own_key_file(path)?;
        }
        let (sealing, record) = SealRecord::create(&config.seal)?;
        let now = Timestamp::now();
        let ssh = |kind| Ring::generate(kind, config.key_algorithm, now);
        let mut keys = Self {
            user: ssh(CaKind::User)?,
            openssh: ssh(CaKind::OpenSsh)?,
            host: ssh(CaKind::Host)?,
            tls: Arc::new(TlsCa::generate(&config.cluster_name, now)?),
            gateway: super::host::generate_key(config.key_algorithm)?,
            sealing: Arc::new(sealing),
        };
        let sealing = &keys.sealing;
        let cluster = Cluster { version: 1, name: config.cluster_name.clone() };
        let mut batch = Batch::new()
            .require(Keyspace::Meta, SEAL, Precondition::Absent)
            .put(Keyspace::Meta, CLUSTER, stored(&cluster))
            .put(Keyspace::Meta, SEAL, stored(&record))
            .put(Keyspace::Keys, &active(CaKind::Tls), stored(&keys.tls.seal(sealing)?))
            .put(Keyspace::Keys, GATEWAY.as_bytes(), stored(&SealedHostKey::seal(&keys.gateway, sealing)?))
            .audit(
                created(CaKind::Tls)
                    .with("pin", mezite_api::CaPin::of_spki(keys.tls.public_key()).to_string()),
            );
        for key in [&keys.user, &keys.openssh, &keys.host].map(Ring::active) {
            let event = created(key.kind())
                .with("algorithm", key.algorithm().as_str())
                .with("fingerprint", key.public().fingerprint());
            batch = batch.put(Keyspace::Keys, &active(key.kind()), stored(&key.seal(sealing)?)).audit(event);
        }
        let revision = store.commit(batch).wait()?;
        for ring in [&mut keys.user, &mut keys.openssh, &mut keys.host] {
            ring.created(revision);
        }
        log::info!(cluster = config.cluster_name.as_str(); "made the keys of a new cluster");
        Ok(keys)
    }

    /// The keys of an SSH CA; the TLS CA has none of this form.
    pub(super) fn ring(&self, kind: CaKind) -> Option<&Ring> {
        match kind {
            CaKind::User => Some(&self.user),
            CaKind::OpenSsh => Some(&self.openssh),
            CaKind::Host => Some(&self.host),
            CaKind::Tls => None,
        }
    }

    /// The same keys but for the ring of this CA.
    pub(super) fn with(mut self, kind: CaKind, ring: Ring) -> Self {
        match kind {
            CaKind::User => self.user = ring,
            CaKind::OpenSsh => self.openssh = ring,
            CaKind::Host => self.host = ring,
            CaKind::Tls => {}
        }
        self
    }
}

/// Makes the gateway's own key file.
fn create_own_key_file(path: &Path) -> Result<(), KeyFileError> {
    match create_key_file(path) {
        Ok(()) => {
            log::warn!(
                path:% = path.display();
                "made the key that seals the CA keys: who has this file and the store has the CAs, and without \
                 it a backup of the store is worth nothing"
            );
            Ok(())
        }
        // A first start that ended before its commit.
        Err(KeyFileError::Exists(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

impl SealedHostKey {
    fn seal(key: &PrivateKey, sealing: &SealingKey) -> Result<Self, KeysError> {
        let public = key.public_key().to_openssh()?;
        let secret = sealing.seal(&Self::context(&public), &key.to_bytes()?)?;
        Ok(Self { public, secret })
    }

    fn open(&self, sealing: &SealingKey) -> Result<PrivateKey, KeysError> {
        let secret = sealing.open(&Self::context(&self.public), &self.secret)?;
        Ok(PrivateKey::from_bytes(&secret)?)
    }

    fn context(public: &str) -> String {
        format!("mezite gateway host key {public}")
    }
}

pub(super) fn active(kind: CaKind) -> Vec<u8> {
    format!("{kind}/{ACTIVE}").into_bytes()
}

fn created(kind: CaKind) -> AuditEntry {
    AuditEntry::new("ca.create").with("actor", GATEWAY).with("outcome", "ok").with("ca", kind.as_str())
}

/// What these types hold always serialises.
pub(super) fn stored(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn read<T: DeserializeOwned>(
    store: &Store,
    keyspace: Keyspace,
    key: &[u8],
    what: &str,
) -> Result<T, KeysError> {
    Ok(read_versioned(store, keyspace, key, what)?.0)
}

/// The same with the revision of its last write.
pub(super) fn read_versioned<T: DeserializeOwned>(
    store: &Store,
    keyspace: Keyspace,
    key: &[u8],
    what: &str,
) -> Result<(T, Revision), KeysError> {
    let found = store.get(keyspace, key)?.ok_or_else(|| KeysError::Missing(what.to_owned()))?;
    let damaged = |error| KeysError::Damaged { what: what.to_owned(), error };
    Ok((serde_json::from_slice(&found.value).map_err(damaged)?, found.revision))
}
