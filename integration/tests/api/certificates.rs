//! Rows 63 to 65: client certificates.

use std::time::{Duration, SystemTime};

use mezite_ca::{ClientCertificateRequest, ClientIdentity, TlsCa};
use mezite_fixtures::{Scene, eventually};
use mezite_integration::hostile::{
    Answered, Shown, StolenKeys, is_closed, request, tls_as, tls_config, tls_config_of, try_tls,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PublicKeyData as _, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::{credentials, shown, with_root};

const HOUR: Duration = Duration::from_hours(1);

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

fn root() -> ClientIdentity {
    ClientIdentity::User { user: "root".to_owned() }
}

fn issue(ca: &TlsCa, identity: &ClientIdentity, key: &KeyPair, now: SystemTime) -> CertificateDer<'static> {
    let public_key = &key.subject_public_key_info();
    ca.client_certificate(
        &ClientCertificateRequest { identity, public_key, lifetime: HOUR, beside: None },
        now,
    )
    .unwrap()
    .der
}

/// Asks for the users, as whoever shows this.
fn ask(scene: &Scene, shown: Option<Shown>) -> std::io::Result<Answered> {
    request(&mut try_tls(&scene.gateway, tls_config(&scene.gateway, shown))?, "GET /v1/users")
}

/// A certificate that names the administrator in every field, signed by the test's own CA of the cluster's name.
fn forged(key: &KeyPair, self_signed: bool) -> Vec<CertificateDer<'static>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::OrganizationName, "user");
    params.distinguished_name.push(DnType::CommonName, "root");
    params.subject_alt_names = vec![SanType::URI("mezite://test/user/root".try_into().unwrap())];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = (SystemTime::now() - HOUR).into();
    params.not_after = (SystemTime::now() + HOUR).into();
    if self_signed {
        return vec![params.self_signed(key).unwrap().der().clone()];
    }
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.distinguished_name.push(DnType::OrganizationName, "test");
    ca.distinguished_name.push(DnType::CommonName, "test TLS CA");
    let ca_der = ca.self_signed(&ca_key).unwrap().der().clone();
    vec![params.signed_by(key, &Issuer::new(ca, ca_key)).unwrap().der().clone(), ca_der]
}

#[test]
fn hostile_063_client_certificates_that_are_not_ours() {
    let (mut scene, prefix) = with_root();
    let keys = StolenKeys::take(&mut scene);
    let (key, now) = (KeyPair::generate().unwrap(), SystemTime::now());
    let good = || issue(&keys.tls, &root(), &key, now);
    let let_in = ask(&scene, Some(Shown::new(vec![good()], &private(&key)))).unwrap();
    assert_eq!(let_in.status, 200, "what the following cases differ from");
    let audit = scene.mezctl.list(&["audit", "ls"]).len();

    let server = keys.tls.server_certificate(&["localhost".to_owned()], HOUR, now).unwrap();
    let other_ca = TlsCa::generate("test", jiff::Timestamp::now()).unwrap();
    let stranger = KeyPair::generate().unwrap();
    for (label, chain, proof) in [
        ("another CA of the same name", forged(&key, false), &key),
        (
            "another CA, ours behind it",
            vec![issue(&other_ca, &root(), &key, now), keys.tls.certificate().clone()],
            &key,
        ),
        ("self-signed", forged(&key, true), &key),
        ("the server's own", server.chain.clone(), &key),
        ("the CA's own", vec![keys.tls.certificate().clone()], &key),
        ("expired", vec![issue(&keys.tls, &root(), &key, now - 2 * HOUR)], &key),
        ("not valid yet", vec![issue(&keys.tls, &root(), &key, now + HOUR)], &key),
        ("without its key", vec![good()], &stranger),
        ("chain of 50", std::iter::repeat_n(good(), 50).collect(), &key),
    ] {
        let refused = ask(&scene, Some(Shown::new(chain, &private(proof))));
        let alert = refused.err().unwrap_or_else(|| panic!("{label}: was answered"));
        let said = alert.to_string();
        assert!(
            said.contains("alert") || said.contains("reset") || said.contains("closed"),
            "{label}: {said}"
        );
    }
    // Whoever shows none, and a bot under the administrator's name, reach the application and no handler.
    let none = ask(&scene, None).unwrap();
    assert_eq!(none.status, 401, "{none:?}");
    let mut anonymous = try_tls(&scene.gateway, tls_config(&scene.gateway, None)).unwrap();
    let other = request(&mut anonymous, "DELETE /v1/users/root").unwrap();
    assert_eq!(other.body, none.body, "one answer for every path");
    assert_eq!(scene.mezctl.list(&["audit", "ls"]).len(), audit, "nothing was done");
    let bot = ClientIdentity::Bot { bot: "root".to_owned(), generation: 1, instance: "i".to_owned() };
    let bot = ask(&scene, Some(Shown::new(vec![issue(&keys.tls, &bot, &key, now)], &private(&key)))).unwrap();
    assert_eq!(bot.status, 401, "{bot:?}");
    // A key for SSH is no key for TLS: the certificate that goes with it is not X.509.
    let foreign = Shown::new(vec![good()], &private(&stranger));
    assert!(ask(&scene, Some(foreign)).is_err());
    assert_eq!(ask(&scene, Some(Shown::at(&prefix))).unwrap().status, 200);
    scene.assert_alive();
}

#[test]
fn hostile_064_nothing_is_resumed_and_nothing_comes_early() {
    let (mut scene, prefix) = with_root();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let store = std::sync::Arc::new(rustls::client::ClientSessionMemoryCache::new(8));
        let config = |shown: Option<Shown>| {
            let mut config = tls_config_of(&scene.gateway, shown, &[version]);
            config.resumption = rustls::client::Resumption::store(store.clone());
            config.enable_early_data = true;
            config
        };
        for shown in [None, Some(Shown::at(&prefix)), Some(Shown::at(&prefix))] {
            let expected = if shown.is_some() { 200 } else { 401 };
            let mut first = try_tls(&scene.gateway, config(shown)).unwrap();
            assert_eq!(request(&mut first, "GET /v1/users").unwrap().status, expected);
            assert_eq!(first.conn.handshake_kind(), Some(rustls::HandshakeKind::Full));
            assert!(!first.conn.is_early_data_accepted());
            assert_eq!(first.conn.tls13_tickets_received(), 0);
        }
    }
    // Removed: who has a connection or could resume one is nobody now.
    let mut open = tls_as(&scene.gateway, Shown::at(&prefix));
    assert_eq!(request(&mut open, "GET /v1/users").unwrap().status, 200);
    scene.mezctl.ok(&["users", "rm", "root"]);
    assert_eq!(request(&mut open, "GET /v1/users").unwrap().status, 401);
    assert_eq!(ask(&scene, Some(Shown::at(&prefix))).unwrap().status, 401);
    scene.assert_alive();
}

#[test]
fn hostile_065_a_lock_or_an_expiry_ends_a_connection_that_lives() {
    let (mut scene, prefix) = with_root();
    let mut locked = tls_as(&scene.gateway, Shown::at(&prefix));
    assert_eq!(request(&mut locked, "GET /v1/users").unwrap().status, 200);
    scene.mezctl.ok(&["locks", "add", "--user=root", "--message=go home"]);
    let refused = request(&mut locked, "GET /v1/users").unwrap();
    assert_eq!(refused.status, 403);
    assert!(refused.json()["detail"].as_str().unwrap().contains("go home"), "{refused:?}");
    assert!(refused.head.contains("Connection: close"), "{refused:?}");
    assert!(is_closed(&mut locked));
    let events = scene.mezctl.audit("access.refuse");
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((&events[0]["reason"], &events[0]["actor"]), (&"locked".into(), &"root".into()));

    scene.mezctl.ok(&["users", "add", "brief", "--roles=admin"]);
    let mut brief = tls_as(&scene.gateway, Shown::at(&credentials(&scene, "brief", "2s")));
    assert_eq!(request(&mut brief, "GET /v1/users").unwrap().status, 200);
    let refused = eventually("the certificate to expire", || {
        let answer = request(&mut brief, "GET /v1/users").unwrap();
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(refused.status, 401);
    assert!(is_closed(&mut brief));
    scene.assert_alive();
}

#[test]
fn hostile_065_a_user_of_the_same_name_inherits_nothing() {
    let (mut scene, prefix) = with_root();
    scene.mezctl.ok(&["users", "rm", "root"]);
    // Certificates count whole seconds: a successor is known by having been made later.
    let made = std::time::Instant::now();
    eventually("the clock to move on", || (made.elapsed() > Duration::from_secs(3)).then_some(()));
    scene.mezctl.ok(&["users", "add", "root", "--roles=admin"]);
    let answer = ask(&scene, Some(Shown::at(&prefix))).unwrap();
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(ask(&scene, Some(shown(&scene, "root"))).unwrap().status, 200);
    scene.assert_alive();
}
