//! The private keys of the cluster's CAs, as only a thief would have them: so that what a test signs is judged by
//! what it says, and not by who has signed it.

use mezite_ca::{CaKind, SealRecord, SealSource, SealedSecret, SealedTlsCa, SealingKey, TlsCa};
use mezite_fixtures::Scene;
use mezite_store::{Keyspace, Options, Store};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ssh_key::PrivateKey;
use ssh_key::private::Ed25519Keypair;

/// The keys of the CAs.
pub struct StolenKeys {
    /// Of the User CA.
    pub user: PrivateKey,
    /// Of the CA for the node leg.
    pub openssh: PrivateKey,
    /// Of the Host CA.
    pub host: PrivateKey,
    /// Of the TLS CA.
    pub tls: TlsCa,
}

/// The part of a stored CA key that is needed to open it.
#[derive(Deserialize)]
struct Sealed {
    public: String,
    secret: SealedSecret,
}

impl StolenKeys {
    /// Takes them out of the store, for which the gateway is restarted.
    pub fn take(scene: &mut Scene) -> Self {
        let status = scene.gateway.stop();
        assert!(status.success(), "the gateway stops with {status}");
        let data = scene.gateway.data();
        let options = Options { readonly: true, ..Options::default() };
        let store = Store::open(data.join("store"), options).expect("the store of a stopped gateway");
        let record: SealRecord = read(&store, Keyspace::Meta, "seal");
        let sealing =
            record.open(&SealSource::KeyFile(data.join("seal.key"))).expect("the gateway's own key file");
        let key = |kind| open(&store, &sealing, kind);
        let tls: SealedTlsCa = read(&store, Keyspace::Keys, "tls/active");
        let keys = Self {
            user: key(CaKind::User),
            openssh: key(CaKind::OpenSsh),
            host: key(CaKind::Host),
            tls: tls.open(&sealing).expect("the TLS CA of this store"),
        };
        drop(store);
        scene.gateway.start_again();
        keys
    }
}

fn open(store: &Store, sealing: &SealingKey, kind: CaKind) -> PrivateKey {
    let sealed: Sealed = read(store, Keyspace::Keys, &format!("{kind}/active"));
    let secret = sealing.open(&format!("mezite ca key {kind} {}", sealed.public), &sealed.secret);
    let seed =
        secret.expect("a key of this store").as_slice().try_into().expect("the seed of an Ed25519 key");
    Ed25519Keypair::from_seed(&seed).into()
}

fn read<T: DeserializeOwned>(store: &Store, keyspace: Keyspace, key: &str) -> T {
    let found = store.get(keyspace, key.as_bytes()).expect("the store reads");
    serde_json::from_slice(&found.expect("a key of every cluster").value).expect("JSON")
}
