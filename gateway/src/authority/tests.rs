//! The authority over a real store.

use std::path::Path;

use mezite_access::Issuance;
use mezite_actors::run;
use mezite_api::rotation::{RotationPhase, RotationStep};
use mezite_ca::{PublicKey, verify_host_certificate, verify_user_certificate};
use mezite_store::{AuditFilter, Keyspace, Options, Precondition};
use tempfile::TempDir;

use super::*;
use crate::config::Layer;

fn config(folder: &Path, cluster: &str) -> Config {
    let layer = Layer {
        data_dir: Some(folder.to_owned()),
        cluster_name: Some(cluster.to_owned()),
        public_addr: Some(vec!["gateway.example".to_owned(), "127.0.0.1".to_owned()]),
        ..Layer::default()
    };
    Config::check(layer).unwrap()
}

/// A folder with a store, and an authority on it each time one is started.
struct Scene {
    folder: TempDir,
    store: Store,
    supervisor: Supervisor,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store"), Options::default()).unwrap();
        Self { folder, store, supervisor: Supervisor::new() }
    }

    fn start(&self) -> Result<Authority, KeysError> {
        self.start_as("example")
    }

    fn start_as(&self, cluster: &str) -> Result<Authority, KeysError> {
        Authority::start(&self.supervisor, &self.store, &config(self.folder.path(), cluster))
    }

    fn events(&self, kind: &str) -> Vec<serde_json::Map<String, serde_json::Value>> {
        let filter = AuditFilter { kind: Some(kind.to_owned()), ..AuditFilter::default() };
        let page = self.store.audit_page(&filter).unwrap();
        page.events.iter().map(|event| event.fields().unwrap()).collect()
    }
}

fn key() -> PublicKey {
    PublicKey::from_key_data(host::generate_key(KeyAlgorithm::Ed25519).unwrap().public_key().key_data())
        .unwrap()
}

/// What a plain role lets a certificate have.
pub(crate) fn issuance() -> Issuance {
    Issuance {
        logins: vec![Login::parse("ubuntu").unwrap()],
        max_session_ttl: Duration::from_hours(1),
        pin_source_ip: false,
        pty: true,
        forward_agent: false,
        x11_forwarding: false,
        port_forwarding: false,
        listed_forwarding: false,
    }
}

fn order() -> UserCertificateOrder {
    UserCertificateOrder {
        user: UserName::parse("alice").unwrap(),
        bot: None,
        key: key(),
        tls_key: None,
        issuance: issuance(),
        ttl: Some(Duration::from_mins(10)),
        source: None,
        actor: "0".into(),
        asked_from: None,
    }
}

#[test]
fn the_first_start_makes_the_keys_and_says_so() {
    let scene = Scene::new();
    let authority = scene.start().unwrap();
    let events = scene.events("ca.create");
    let mut made: Vec<_> = events.iter().map(|event| event["ca"].as_str().unwrap()).collect();
    made.sort_unstable();
    assert_eq!(made, ["host", "openssh", "tls", "user"]);
    let user = run(authority.trusted(CaKind::User)).unwrap();
    let named =
        events.iter().any(|event| event.get("fingerprint") == Some(&user.keys()[0].fingerprint().into()));
    assert!(named);
}

#[test]
fn later_starts_open_the_same_keys() {
    let scene = Scene::new();
    let first = scene.start().unwrap();
    let second = scene.start().unwrap();
    for kind in CaKind::ALL {
        assert_eq!(run(first.trusted(kind)).unwrap(), run(second.trusted(kind)).unwrap());
    }
    assert_eq!(first.tls_pem(), second.tls_pem());
    let blobs = |keys: HostKeys| keys.last().unwrap().public_blob().to_vec();
    assert_eq!(blobs(run(first.host_keys(None)).unwrap()), blobs(run(second.host_keys(None)).unwrap()));
    assert_eq!(scene.events("ca.create").len(), 4);
}

#[test]
fn a_missing_key_is_never_made_anew() {
    for kind in ["user", "openssh", "host", "tls"] {
        let scene = Scene::new();
        scene.start().unwrap();
        let key = format!("{kind}/active");
        let batch = Batch::new()
            .require(Keyspace::Keys, key.as_bytes(), Precondition::Present)
            .delete(Keyspace::Keys, key.as_bytes());
        scene.store.commit(batch).wait().unwrap();
        let error = scene.start().err().unwrap();
        assert!(matches!(&error, KeysError::Missing(what) if what.starts_with(kind)), "{error}");
        assert!(scene.store.get(Keyspace::Keys, key.as_bytes()).unwrap().is_none());
    }
}

#[test]
fn a_missing_seal_record_is_never_made_anew() {
    let scene = Scene::new();
    scene.start().unwrap();
    scene.store.commit(Batch::new().delete(Keyspace::Meta, b"seal")).wait().unwrap();
    assert!(matches!(scene.start(), Err(KeysError::Missing(_))));
}

#[test]
fn a_store_that_is_in_use_but_has_no_keys_gets_none() {
    let scene = Scene::new();
    scene.store.commit(Batch::new().put(Keyspace::Nodes, b"node", b"{}".as_slice())).wait().unwrap();
    assert!(matches!(scene.start(), Err(KeysError::Missing(_))));
    assert!(!scene.folder.path().join("seal.key").exists());
}

#[test]
fn a_missing_key_file_is_not_replaced() {
    let scene = Scene::new();
    scene.start().unwrap();
    let file = scene.folder.path().join("seal.key");
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(scene.start(), Err(KeysError::Seal(_))));
    assert!(!file.exists());
}

#[test]
fn the_store_belongs_to_its_cluster() {
    let scene = Scene::new();
    scene.start().unwrap();
    assert!(matches!(scene.start_as("other"), Err(KeysError::OtherCluster { .. })));
}

#[test]
fn private_keys_lie_sealed() {
    let scene = Scene::new();
    scene.start().unwrap();
    let entries = scene.store.prefix(Keyspace::Keys, b"", 100).unwrap();
    assert_eq!(entries.len(), 5);
    for (_, entry) in entries {
        let value: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
        assert_eq!(value["secret"]["seal"], "xchacha20poly1305");
    }
}

#[test]
fn a_user_certificate_is_issued_with_its_event() {
    let scene = Scene::new();
    let authority = scene.start().unwrap();
    let signed = run(authority.sign_user(order())).unwrap();
    assert!(!signed.ttl_cut);
    let trusted = run(authority.trusted(CaKind::User)).unwrap();
    let source = "10.0.0.1".parse().unwrap();
    let verified =
        verify_user_certificate(signed.certificate.blob(), &trusted, SystemTime::now(), source).unwrap();
    assert_eq!(
        (verified.user.as_str(), &*verified.principals),
        ("alice", &["alice", "ubuntu"].map(String::from)[..])
    );
    assert!(verified.permits.pty && !verified.permits.agent_forwarding);
    let events = scene.events("cert.issue");
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event["serial"], verified.serial);
    assert_eq!((&event["actor"], &event["subject"]), (&"0".into(), &"alice".into()));
}

#[test]
fn the_life_is_cut_to_what_roles_allow() {
    let scene = Scene::new();
    let authority = scene.start().unwrap();
    let signed =
        run(authority.sign_user(UserCertificateOrder { ttl: Some(Duration::from_hours(2)), ..order() }))
            .unwrap();
    assert!(signed.ttl_cut);
    let left = signed.certificate.valid_before().duration_since(SystemTime::now()).unwrap();
    assert!(left <= Duration::from_hours(1));
    let all = run(authority.sign_user(UserCertificateOrder { ttl: None, ..order() })).unwrap();
    assert!(!all.ttl_cut);
}

#[test]
fn a_certificate_that_must_be_bound_to_an_address_is() {
    let scene = Scene::new();
    let authority = scene.start().unwrap();
    let issuance = Issuance { pin_source_ip: true, ..order().issuance };
    let pinned = UserCertificateOrder { issuance, ..order() };
    assert!(matches!(run(authority.sign_user(pinned.clone())), Err(AuthorityError::NoSource)));
    assert_eq!(scene.events("cert.issue").len(), 0);
    let from = UserCertificateOrder { source: Some("10.0.0.1".parse().unwrap()), ..pinned };
    let signed = run(authority.sign_user(from)).unwrap();
    let trusted = run(authority.trusted(CaKind::User)).unwrap();
    let verify = |source: &str| {
        verify_user_certificate(
            signed.certificate.blob(),
            &trusted,
            SystemTime::now(),
            source.parse().unwrap(),
        )
    };
    assert!(verify("10.0.0.1").is_ok() && verify("10.0.0.2").is_err());
}

#[test]
fn node_credentials_come_from_the_ca_that_is_asked() {
    let scene = Scene::new();
    let authority = scene.start().unwrap();
    for (ca, kind) in [(NodeCa::OpenSsh, CaKind::OpenSsh), (NodeCa::User, CaKind::User)] {
        let order = NodeCredentialOrder {
            ca,
            user: UserName::parse("alice").unwrap(),
            login: Login::parse("ubuntu").unwrap(),
            node: NodeName::parse("db-1").unwrap(),
            connection: "7f3a".to_owned(),
            permits: Permits::ALL,
        };
        let credential = run(authority.node_credential(order)).unwrap();
        let body = credential.certificate().body();
        assert_eq!(body.principals, ["ubuntu"]);
        let trusted = run(authority.trusted(kind)).unwrap();
        let certificate =
            mezite_ca::ssh_key::Certificate::from_bytes(credential.certificate().blob()).unwrap();
        assert_eq!(certificate.signature_key(), trusted.keys()[0].key_data());
    }
}

#[test]
fn the_gateway_shows_a_certificate_for_its_names_and_the_node() {
    let scene = Scene::new();
    let authority = scene.start().unwrap();
    let trusted = run(authority.trusted(CaKind::Host)).unwrap();
    let node = Some(mezite_api::Host::parse("db-1").unwrap());
    let keys = run(authority.host_keys(node.clone())).unwrap();
    let blob = keys[0].public_blob().to_vec();
    for name in ["gateway.example", "127.0.0.1", "DB-1"] {
        verify_host_certificate(&blob, &trusted, SystemTime::now(), name).unwrap();
    }
    assert!(verify_host_certificate(&blob, &trusted, SystemTime::now(), "db-2").is_err());
    assert_eq!(run(authority.host_keys(node)).unwrap()[0].public_blob(), blob);
    for other in ["0c6b1f5e-0000-4000-8000-000000000000", "10.0.0.7", "fd00::7"] {
        let host = Some(mezite_api::Host::parse(other).unwrap());
        let keys = run(authority.host_keys(host)).unwrap();
        verify_host_certificate(keys[0].public_blob(), &trusted, SystemTime::now(), other).unwrap();
    }
    let own = run(authority.host_keys(None)).unwrap();
    assert!(verify_host_certificate(own[0].public_blob(), &trusted, SystemTime::now(), "db-1").is_err());
}

#[test]
fn exports_have_the_form_of_their_readers() {
    let scene = Scene::new();
    let authority = scene.start().unwrap();
    let plain = run(authority.export(CaKind::OpenSsh, ExportForm::Plain)).unwrap();
    assert!(plain.starts_with("ssh-ed25519 AAAA"), "{plain}");
    let hosts = run(authority.export(CaKind::Host, ExportForm::KnownHosts)).unwrap();
    assert!(hosts.starts_with("@cert-authority * ssh-ed25519 AAAA"), "{hosts}");
    assert!(authority.tls_pem().starts_with("-----BEGIN CERTIFICATE-----\n"));
}

#[test]
fn p256_is_used_where_it_is_configured() {
    let scene = Scene::new();
    let config = Config { key_algorithm: KeyAlgorithm::P256, ..config(scene.folder.path(), "example") };
    let authority = Authority::start(&scene.supervisor, &scene.store, &config).unwrap();
    for kind in [CaKind::User, CaKind::OpenSsh, CaKind::Host] {
        let export = run(authority.export(kind, ExportForm::Plain)).unwrap();
        assert!(export.starts_with("ecdsa-sha2-nistp256 "), "{export}");
    }
}

/// Turns a CA as it stands now.
fn turn(authority: &Authority, ca: CaKind, turn: Turn) -> Result<CaState, TurnError> {
    let revision = run(authority.state(ca)).unwrap().revision;
    turn_at(authority, ca, turn, revision)
}

fn turn_at(authority: &Authority, ca: CaKind, turn: Turn, revision: u64) -> Result<CaState, TurnError> {
    let event = AuditEntry::new("ca.rotate");
    run(authority.turn(TurnOrder { ca, turn, revision, automatic: None, event }))
}

/// The fingerprints of what is believed, in their order.
fn fingerprints(authority: &Authority, ca: CaKind) -> Vec<String> {
    run(authority.trusted(ca)).unwrap().keys().iter().map(PublicKey::fingerprint).collect()
}

const STEPS: [RotationStep; 3] = [RotationStep::Prepare, RotationStep::Activate, RotationStep::Finish];

#[test]
fn a_rotation_goes_on_where_the_process_has_ended() {
    let scene = Scene::new();
    let mut authority = scene.start().unwrap();
    for ca in [CaKind::User, CaKind::OpenSsh, CaKind::Host] {
        let first = fingerprints(&authority, ca);
        let mut revisions = vec![run(authority.state(ca)).unwrap().revision];
        for step in STEPS {
            let state = turn(&authority, ca, Turn::Step(step)).unwrap();
            let trusted = fingerprints(&authority, ca);
            assert_eq!(trusted.first(), Some(&state.active.fingerprint), "the one that signs comes first");
            assert_eq!(trusted.get(1), state.further.as_ref().map(|key| &key.fingerprint));
            authority = scene.start().unwrap();
            assert_eq!(run(authority.state(ca)).unwrap(), state, "{step}");
            assert_eq!(fingerprints(&authority, ca), trusted);
            assert!(!revisions.contains(&state.revision), "no revision comes back");
            revisions.push(state.revision);
        }
        assert_ne!(fingerprints(&authority, ca), first);
    }
    assert_eq!(scene.events("ca.rotate").len(), 9);
}

#[test]
fn the_new_key_signs_from_activate_on() {
    let scene = Scene::new();
    let authority = scene.start().unwrap();
    let signer = || {
        let signed = run(authority.sign_user(order())).unwrap();
        let certificate = mezite_ca::ssh_key::Certificate::from_bytes(signed.certificate.blob()).unwrap();
        PublicKey::from_key_data(certificate.signature_key()).unwrap().fingerprint()
    };
    let old = signer();
    let prepared = turn(&authority, CaKind::User, Turn::Step(RotationStep::Prepare)).unwrap();
    assert_eq!(signer(), old);
    turn(&authority, CaKind::User, Turn::Step(RotationStep::Activate)).unwrap();
    let new = signer();
    assert_eq!(Some(new), prepared.further.map(|key| key.fingerprint));
    turn(&authority, CaKind::User, Turn::Step(RotationStep::Rollback)).unwrap();
    assert_eq!(signer(), old);
    let keys: Vec<_> = scene.events("cert.issue").iter().map(|event| event["ca_key"].clone()).collect();
    assert_eq!((&keys[0], &keys[1], &keys[3]), (&old.clone().into(), &old.clone().into(), &old.into()));
    assert_ne!(keys[2], keys[0]);
}

#[test]
fn the_gateways_own_host_certificate_follows_at_once() {
    let scene = Scene::new();
    let authority = scene.start().unwrap();
    let shown = || run(authority.host_keys(None)).unwrap()[0].public_blob().to_vec();
    let before = shown();
    turn(&authority, CaKind::Host, Turn::Step(RotationStep::Prepare)).unwrap();
    turn(&authority, CaKind::Host, Turn::Step(RotationStep::Activate)).unwrap();
    turn(&authority, CaKind::Host, Turn::Step(RotationStep::Finish)).unwrap();
    let trusted = run(authority.trusted(CaKind::Host)).unwrap();
    let now = SystemTime::now();
    verify_host_certificate(&shown(), &trusted, now, "gateway.example").unwrap();
    assert!(verify_host_certificate(&before, &trusted, now, "gateway.example").is_err());
}

#[test]
fn hostile_095_a_turn_that_is_not_on_disk_has_not_been_made() {
    let scene = Scene::new();
    let authority = scene.start().unwrap();
    let before = run(authority.state(CaKind::User)).unwrap();
    let stale = turn_at(&authority, CaKind::User, Turn::Step(RotationStep::Prepare), before.revision + 1);
    assert!(matches!(stale, Err(TurnError::Changed)), "it was looked at before somebody else's turn");
    let wrong = turn(&authority, CaKind::User, Turn::Step(RotationStep::Finish));
    assert!(matches!(wrong, Err(TurnError::Phase)));
    let tls = turn_at(&authority, CaKind::Tls, Turn::Replace, 1);
    assert!(matches!(tls, Err(TurnError::NotSsh(CaKind::Tls))));
    // Another gateway on the same store was faster, and this one has not heard of it.
    let other = scene.start().unwrap();
    turn(&other, CaKind::User, Turn::Step(RotationStep::Prepare)).unwrap();
    let late = turn(&authority, CaKind::User, Turn::Step(RotationStep::Prepare));
    assert!(matches!(late, Err(TurnError::Changed)));
    assert_eq!(run(authority.state(CaKind::User)).unwrap(), before);
    assert_eq!(fingerprints(&authority, CaKind::User), [before.active.fingerprint]);
    assert_eq!(scene.events("ca.rotate").len(), 1);
    // The active key too was replaced behind its back.
    turn(&other, CaKind::OpenSsh, Turn::Replace).unwrap();
    assert!(matches!(turn(&authority, CaKind::OpenSsh, Turn::Replace), Err(TurnError::Changed)));
}

#[test]
fn what_is_given_up_is_trusted_no_more_whatever_the_phase() {
    let scene = Scene::new();
    let authority = scene.start().unwrap();
    for steps in 0..=2 {
        for step in STEPS.iter().take(steps) {
            turn(&authority, CaKind::OpenSsh, Turn::Step(*step)).unwrap();
        }
        let before = fingerprints(&authority, CaKind::OpenSsh);
        assert!(run(authority.trusts(before.clone())).unwrap());
        let state = turn(&authority, CaKind::OpenSsh, Turn::Replace).unwrap();
        assert_eq!((state.phase, state.further), (RotationPhase::Standby, None));
        let after = fingerprints(&authority, CaKind::OpenSsh);
        assert_eq!(after, [state.active.fingerprint]);
        for key in before {
            assert!(!after.contains(&key));
            assert!(!run(authority.trusts(vec![key, after[0].clone()])).unwrap());
        }
    }
}

#[test]
fn private_keys_of_a_rotation_lie_sealed_and_a_damaged_record_is_not_passed_over() {
    let scene = Scene::new();
    let authority = scene.start().unwrap();
    turn(&authority, CaKind::User, Turn::Step(RotationStep::Prepare)).unwrap();
    let stored = scene.store.get(Keyspace::Keys, b"user/rotation").unwrap().unwrap();
    let record: serde_json::Value = serde_json::from_slice(&stored.value).unwrap();
    assert_eq!((&record["phase"], &record["version"]), (&"prepare".into(), &1.into()));
    assert_eq!(record["next"]["secret"]["seal"], "xchacha20poly1305");
    let put = |key: &[u8], record: &serde_json::Value| {
        let batch = Batch::new().put(Keyspace::Keys, key, record.to_string().into_bytes());
        scene.store.commit(batch).wait().unwrap();
    };
    for (name, value) in
        [("version", 2.into()), ("phase", "sideways".into()), ("next", serde_json::Value::Null)]
    {
        let mut other = record.clone();
        other[name] = value;
        put(b"user/rotation", &other);
        assert!(matches!(scene.start(), Err(KeysError::Damaged { .. })), "{name}");
    }
    // A key of another CA in its place, sealed by us.
    put(b"user/rotation", &record);
    put(b"host/rotation", &record);
    assert!(matches!(scene.start(), Err(KeysError::Damaged { .. })));
}

#[test]
fn nodes_are_asked_about_every_key() {
    let scene = Scene::new();
    let authority = scene.start().unwrap();
    turn(&authority, CaKind::OpenSsh, Turn::Step(RotationStep::Prepare)).unwrap();
    let order = NodeCredentialOrder {
        ca: NodeCa::OpenSsh,
        user: UserName::parse("nodes.check").unwrap(),
        login: Login::parse("ubuntu").unwrap(),
        node: NodeName::parse("db-1").unwrap(),
        connection: "7f3a".to_owned(),
        permits: Permits::default(),
    };
    let made = run(authority.query_credentials(order)).unwrap();
    let by: Vec<_> = made.iter().map(|one| one.credential.signed_by().fingerprint()).collect();
    let expected = [CaKind::OpenSsh, CaKind::User].map(|ca| fingerprints(&authority, ca)).concat();
    assert_eq!(by, expected);
    let active: Vec<_> = made.iter().map(|one| (one.ca, one.active)).collect();
    assert_eq!(active, [(CaKind::OpenSsh, true), (CaKind::OpenSsh, false), (CaKind::User, true)]);
}
