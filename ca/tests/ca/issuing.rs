//! What is issued, what is refused, and signers that do something else than they were asked.

use std::time::Duration;

use mezite_ca::{
    BotInstance, CaKind, CertificateBody, CertificateSigner, CertificateType, HostCertificateRequest,
    IssueError, KeyAlgorithm, NodeLegCredential, NodeLegRequest, Permits, PrincipalError, PublicKey,
    SigningFailed, SshCaKey, TrustedSet, UserCertificateRequest, issue_host_certificate,
    issue_user_certificate, verify_host_certificate, verify_user_certificate,
};

use crate::support::*;

const ALGORITHMS: [KeyAlgorithm; 2] = [KeyAlgorithm::Ed25519, KeyAlgorithm::P256];

fn user_request() -> UserCertificateRequest {
    UserCertificateRequest {
        user: "alice".to_owned(),
        key: public(&subject()),
        logins: vec!["root".to_owned(), "alice".to_owned()],
        lifetime: Duration::from_hours(1),
        source_addresses: vec!["192.0.2.9/24".parse().unwrap(), "::ffff:10.0.0.0/104".parse().unwrap()],
        permits: Permits { pty: true, ..Permits::default() },
        bot: Some(BotInstance { instance: "i-1".to_owned(), generation: 3 }),
    }
}

fn node_request(login: &str) -> NodeLegRequest<'_> {
    NodeLegRequest {
        login,
        user: "alice",
        node: "db-1",
        connection: "7f3a",
        permits: Permits::ALL,
        lifetime: Duration::from_mins(5),
    }
}

#[test]
fn what_the_user_ca_issues_is_believed() {
    for algorithm in ALGORITHMS {
        let ca = ca_key(CaKind::User, algorithm);
        let issued = issue_user_certificate(&ca, &user_request(), now()).unwrap();
        let trusted = TrustedSet::new(CaKind::User, [ca.public().clone()]);
        let certificate = verify_user_certificate(issued.blob(), &trusted, now(), source()).unwrap();
        assert_eq!(certificate.user, "alice");
        assert_eq!(certificate.principals, ["alice", "root"], "the user once, then the logins");
        assert_eq!(certificate.serial, issued.body().serial);
        assert!(certificate.serial > 0 && certificate.serial < 1 << 63);
        assert_eq!(certificate.permits, Permits { pty: true, ..Permits::default() });
        assert_eq!(certificate.bot, user_request().bot);
        let networks = ["192.0.2.0/24", "10.0.0.0/8"].map(|network| network.parse().unwrap());
        assert_eq!(certificate.source_addresses.as_deref(), Some(&networks[..]));
        assert_eq!((issued.body().valid_after, issued.body().valid_before), (NOW - 60, NOW + 3600));
        assert_eq!(issued.valid_before(), certificate.valid_before);
    }
}

#[test]
fn what_the_host_ca_issues_is_believed() {
    for algorithm in ALGORITHMS {
        let ca = ca_key(CaKind::Host, algorithm);
        let names = vec!["gateway.example.org".to_owned(), "192.0.2.1".to_owned(), "::1".to_owned()];
        let lifetime = Duration::from_hours(90 * 24);
        let request =
            HostCertificateRequest { key: public(&subject()), key_id: "gateway".to_owned(), names, lifetime };
        let issued = issue_host_certificate(&ca, &request, now()).unwrap();
        let trusted = TrustedSet::new(CaKind::Host, [ca.public().clone()]);
        let certificate = verify_host_certificate(issued.blob(), &trusted, now(), "::1").unwrap();
        assert_eq!(certificate.key_id, "gateway");
        assert_eq!(certificate.principals, request.names);
    }
}

#[test]
fn serials_and_nonces_are_fresh() {
    let ca = ca_key(CaKind::User, KeyAlgorithm::Ed25519);
    let issue = || issue_user_certificate(&ca, &user_request(), now()).unwrap().body().clone();
    let (one, two) = (issue(), issue());
    assert_ne!(one.serial, two.serial);
    assert_ne!(one.nonce, two.nonce);
}

#[test]
fn hostile_003_the_ca_refuses_principals_that_it_would_not_believe() {
    let ca = ca_key(CaKind::User, KeyAlgorithm::Ed25519);
    let hosts = ca_key(CaKind::Host, KeyAlgorithm::Ed25519);
    for (name, error) in [
        ("", PrincipalError::Empty),
        ("*", PrincipalError::Character),
        ("deploy,root", PrincipalError::Character),
        ("ro\0ot", PrincipalError::Character),
        ("root\n", PrincipalError::Character),
        ("ro ot", PrincipalError::Character),
        (&"x".repeat(256), PrincipalError::TooLong),
    ] {
        let request = UserCertificateRequest { logins: vec![name.to_owned()], ..user_request() };
        let refused = issue_user_certificate(&ca, &request, now()).unwrap_err();
        assert!(matches!(&refused, IssueError::Principals(found) if *found == error), "{name:?}: {refused}");
        let request = UserCertificateRequest { user: name.to_owned(), ..user_request() };
        assert!(issue_user_certificate(&ca, &request, now()).is_err(), "as user: {name:?}");
        let names = vec!["ok".to_owned(), name.to_owned()];
        let lifetime = Duration::from_mins(1);
        let request =
            HostCertificateRequest { key: public(&subject()), key_id: String::new(), names, lifetime };
        assert!(issue_host_certificate(&hosts, &request, now()).is_err(), "as host: {name:?}");
    }
    let many =
        UserCertificateRequest { logins: (0..256).map(|n| format!("l{n}")).collect(), ..user_request() };
    let refused = issue_user_certificate(&ca, &many, now()).unwrap_err();
    assert!(matches!(refused, IssueError::Principals(PrincipalError::TooMany)), "{refused}");
    let large =
        UserCertificateRequest { logins: (0..200).map(|n| format!("{n:0200}")).collect(), ..user_request() };
    let refused = issue_user_certificate(&ca, &large, now()).unwrap_err();
    assert!(matches!(refused, IssueError::TooLarge), "{refused}");
    let nameless = HostCertificateRequest {
        key: public(&subject()),
        key_id: String::new(),
        names: vec![],
        lifetime: Duration::from_mins(1),
    };
    let refused = issue_host_certificate(&hosts, &nameless, now()).unwrap_err();
    assert!(matches!(refused, IssueError::Principals(PrincipalError::None)), "{refused}");
}

#[test]
fn lifetimes_have_an_end() {
    let ca = ca_key(CaKind::User, KeyAlgorithm::Ed25519);
    for seconds in [0, 30 * 86_400 + 1, u64::MAX] {
        let request = UserCertificateRequest { lifetime: Duration::from_secs(seconds), ..user_request() };
        let refused = issue_user_certificate(&ca, &request, now()).unwrap_err();
        assert!(matches!(refused, IssueError::Lifetime { .. }), "{seconds}: {refused}");
    }
    let request = NodeLegRequest { lifetime: Duration::from_secs(301), ..node_request("root") };
    let openssh = ca_key(CaKind::OpenSsh, KeyAlgorithm::Ed25519);
    let refused = NodeLegCredential::issue(&openssh, KeyAlgorithm::Ed25519, &request, now()).unwrap_err();
    assert!(matches!(refused, IssueError::Lifetime { .. }), "{refused}");
}

#[test]
fn a_ca_issues_only_its_own_kind() {
    let host = ca_key(CaKind::Host, KeyAlgorithm::Ed25519);
    let openssh = ca_key(CaKind::OpenSsh, KeyAlgorithm::Ed25519);
    for ca in [&host, &openssh] {
        let refused = issue_user_certificate(ca, &user_request(), now()).unwrap_err();
        assert!(matches!(refused, IssueError::WrongCa(kind) if kind == ca.kind()), "{refused}");
    }
    let refused = NodeLegCredential::issue(&host, KeyAlgorithm::Ed25519, &node_request("root"), now());
    assert!(matches!(refused.unwrap_err(), IssueError::WrongCa(CaKind::Host)));
    assert!(SshCaKey::generate(CaKind::Tls, KeyAlgorithm::Ed25519, jiff::Timestamp::UNIX_EPOCH).is_err());
}

#[test]
fn hostile_028_the_node_certificate_is_for_one_login_and_one_connection() {
    for algorithm in ALGORITHMS {
        let ca = ca_key(CaKind::OpenSsh, algorithm);
        let request = NodeLegRequest { user: "bob login=root", ..node_request("deploy") };
        let one = NodeLegCredential::issue(&ca, algorithm, &request, now()).unwrap();
        let two = NodeLegCredential::issue(&ca, algorithm, &request, now()).unwrap();
        let body = one.certificate().body();
        assert_eq!(body.principals, ["deploy"]);
        assert_eq!(body.key_id, r"user=bob\x20login\x3droot login=deploy node=db-1 conn=7f3a");
        assert_eq!(body.subject, public(one.key()), "its own key");
        assert_ne!(body.subject, two.certificate().body().subject, "a fresh one each time");
        assert_eq!(body.valid_before - body.valid_after, 360);
        assert!(body.critical_options.is_empty());
        let permits =
            ["permit-X11-forwarding", "permit-agent-forwarding", "permit-port-forwarding", "permit-pty"];
        assert!(body.extensions.keys().eq(permits), "{:?}", body.extensions);
    }
}

#[test]
fn hostile_028_logins_outside_the_grammar() {
    let ca = ca_key(CaKind::OpenSsh, KeyAlgorithm::Ed25519);
    for login in [
        "root,deploy",
        " deploy",
        "../x",
        "..",
        "",
        "-deploy",
        "a b",
        "a$(b)",
        "a\0",
        "ro\u{f6}t",
        "*",
        &"x".repeat(300),
    ] {
        let refused = NodeLegCredential::issue(&ca, KeyAlgorithm::Ed25519, &node_request(login), now());
        assert!(matches!(refused.unwrap_err(), IssueError::Login), "{login:?}");
    }
}

/// A signer that signs something else than it was asked to, or garbles what it signed.
struct Faulty<'a> {
    key: &'a SshCaKey,
    /// The key that it says signs.
    claimed: &'a PublicKey,
    change: fn(&mut CertificateBody),
    garble: fn(&mut Vec<u8>),
}

impl CertificateSigner for Faulty<'_> {
    fn kind(&self) -> CaKind {
        self.key.kind()
    }

    fn public(&self) -> &PublicKey {
        self.claimed
    }

    fn sign(&self, body: &CertificateBody) -> Result<Vec<u8>, SigningFailed> {
        let mut body = body.clone();
        (self.change)(&mut body);
        let mut blob = self.key.sign(&body)?;
        (self.garble)(&mut blob);
        Ok(blob)
    }
}

/// What differs, and how.
type Fault<T> = (&'static str, fn(&mut T));

const CHANGES: [Fault<CertificateBody>; 13] = [
    ("the key", |body| body.subject = public(&ed25519(66))),
    ("the principals", |body| body.principals.push("root".to_owned())),
    ("the principals", |body| body.principals = vec!["root".to_owned()]),
    ("the type", |body| body.certificate_type = CertificateType::Host),
    ("the end of validity", |body| body.valid_before += 1),
    ("the start of validity", |body| body.valid_after -= 1),
    ("a critical option", |body| {
        body.critical_options.insert("force-command".to_owned(), "id".to_owned());
    }),
    ("an extension", |body| {
        body.extensions.insert("permit-user-rc".to_owned(), String::new());
    }),
    ("an extension", |body| {
        body.extensions.remove("permit-pty");
    }),
    ("an extension", |body| {
        body.extensions.insert("permit-pty".to_owned(), "yes".to_owned());
    }),
    ("the key id", |body| body.key_id.push('x')),
    ("the serial", |body| body.serial ^= 1),
    ("the nonce", |body| body.nonce = [0; 32]),
];

const GARBLES: [Fault<Vec<u8>>; 3] = [
    ("the signature", |blob| *blob.last_mut().unwrap() ^= 1),
    ("its form", |blob| blob.push(0)),
    ("its form", Vec::clear),
];

#[test]
fn hostile_028_what_a_faulty_signer_returns_is_not_used() {
    let key = ca_key(CaKind::OpenSsh, KeyAlgorithm::Ed25519);
    let issue = |signer: Faulty<'_>| {
        NodeLegCredential::issue(&signer, KeyAlgorithm::Ed25519, &node_request("deploy"), now())
    };
    let deviates = |signer: Faulty<'_>, what: &str| {
        let refused = issue(signer).unwrap_err();
        assert!(matches!(refused, IssueError::Deviation(found) if found == what), "{what}: {refused}");
    };
    let sound = || Faulty { key: &key, claimed: key.public(), change: |_| (), garble: |_| () };
    assert!(issue(sound()).is_ok());
    for (what, change) in CHANGES {
        deviates(Faulty { change, ..sound() }, what);
    }
    for (what, garble) in GARBLES {
        deviates(Faulty { garble, ..sound() }, what);
    }
    let other = ca_key(CaKind::OpenSsh, KeyAlgorithm::Ed25519);
    deviates(Faulty { claimed: other.public(), ..sound() }, "the signing key");
}

#[test]
fn hostile_029_a_node_certificate_opens_no_gateway() {
    // Even one that the User CA made, for nodes that trust only that CA.
    let ca = ca_key(CaKind::User, KeyAlgorithm::Ed25519);
    let credential =
        NodeLegCredential::issue(&ca, KeyAlgorithm::Ed25519, &node_request("alice"), now()).unwrap();
    let trusted = TrustedSet::new(CaKind::User, [ca.public().clone()]);
    let refusal = verify_user_certificate(credential.certificate().blob(), &trusted, now(), source());
    assert_eq!(refusal.unwrap_err().reason(), "identity");
}

#[test]
fn secrets_are_not_in_debug_output() {
    let ca = ca_key(CaKind::OpenSsh, KeyAlgorithm::Ed25519);
    let credential =
        NodeLegCredential::issue(&ca, KeyAlgorithm::Ed25519, &node_request("root"), now()).unwrap();
    let shown = format!("{ca:?} {credential:?}").to_lowercase();
    assert!(!shown.contains("private"), "{shown}");
}
