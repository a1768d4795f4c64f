//! Certificates that must not be believed, shown to the running gateway by a client that holds their key.

use mezite_fixtures::{
    Role, Running, Scene, SceneOptions, Way, closed_port, eventually, program, public_key_path, run,
};
use mezite_integration::hostile::{
    Attempt, Certificate, Key, RsaKey, Theft, any_key, ecdsa_key, list, option,
};
use mezite_integration::{assert_one_event, assert_refused};

type Change = Box<dyn FnOnce(&mut Certificate)>;

/// Shows the good certificate with each change: all must be refused for this reason, and no node dialled.
fn refuse_all(theft: &mut Theft, reason: &str, cases: Vec<(&str, Change)>) {
    let event = format!("cert.refuse {reason}");
    let shown = cases.into_iter().map(|(label, change)| {
        let blob = theft.good().with(change).signed(&theft.keys.user);
        theft.show(label, &blob, &theft.subject, &event)
    });
    let attempts: Vec<Attempt> = shown.collect();
    theft.finish(&attempts);
}

fn case(label: &str, change: impl FnOnce(&mut Certificate) + 'static) -> (&str, Change) {
    (label, Box::new(change))
}

#[test]
fn hostile_001_nested_ca_is_refused_at_the_door() {
    let mut theft = Theft::new();
    let rsa = RsaKey::generate(&theft.scene.scratch, "rsa");
    let (ed25519, ecdsa) = (any_key(), ecdsa_key());
    let keys: [(&str, &dyn Key); 3] = [("ed25519", &ed25519), ("ecdsa", &ecdsa), ("rsa", &rsa)];
    let mut attempts = Vec::new();
    for (outer_name, outer) in keys {
        for (inner_name, inner) in keys {
            // The User CA certifies `inner`, which then signs as if it were the CA.
            let certified = Certificate::of("alice", inner, &theft.keys.user).signed(&theft.keys.user);
            let forge = |signature_key| {
                let forged = Certificate::of("alice", outer, inner).with(|c| c.signature_key = signature_key);
                forged.signed(inner)
            };
            let forged = forge(certified);
            let deeper = forge(forged.clone());
            for (depth, blob) in [(2, forged), (3, deeper)] {
                let label = format!("{outer_name} signed by {inner_name}, depth {depth}");
                attempts.push(theft.show(&label, &blob, outer, "cert.refuse ca_is_certificate"));
            }
        }
    }
    theft.finish(&attempts);
}

#[test]
fn hostile_002_only_user_certificates_let_users_in() {
    let mut theft = Theft::new();
    let kinds = [0, 2, 3, u32::MAX];
    let mut attempts = Vec::new();
    for kind in kinds {
        for (ca_name, ca) in [("Host CA", &theft.keys.host), ("User CA", &theft.keys.user)] {
            let blob = Certificate::of("alice", &theft.subject, ca).with(|c| c.kind = kind).signed(ca);
            let label = format!("type {kind} of the {ca_name}");
            attempts.push(theft.show(&label, &blob, &theft.subject, "cert.refuse cert_type"));
        }
    }
    theft.finish(&attempts);
}

#[test]
fn hostile_003_principals_are_names_and_nothing_else() {
    let principals =
        |label: &'static str, names: Vec<Vec<u8>>| case(label, move |c| c.principals = list(names));
    let mut theft = Theft::new();
    theft.scene.mezctl.ok(&["users", "add", "bobby", "--roles", "dev"]);
    refuse_all(
        &mut theft,
        "principals",
        vec![
            principals("none", vec![]),
            principals("one empty", vec![b"".to_vec()]),
            principals("a star", vec![b"*".to_vec()]),
            principals("a list in one", vec![b"alice,root".to_vec()]),
            principals("a NUL", vec![b"alice\0".to_vec()]),
            principals("a newline", vec![b"alice\n".to_vec()]),
            principals("a blank", vec![b" alice".to_vec()]),
            principals("a blank inside, beside the right one", vec![b"alice".to_vec(), b"ro ot".to_vec()]),
            principals("another case", vec![b"ALICE".to_vec()]),
            principals("somebody else", vec![b"root".to_vec()]),
            principals("257", (0..257).map(|n| format!("alice{n}").into_bytes()).collect()),
            case("bob, where the user is bobby", |c| {
                c.key_id = b"bobby".to_vec();
                c.principals = list(["bob"]);
                c.extensions = option("user@mezite", list(["bobby"]));
            }),
        ],
    );
}

#[test]
fn hostile_003_ca_signs_for_no_such_names() {
    let mut scene = Scene::start();
    let issued = scene.mezctl.audit("cert.issue").len();
    let key = format!("--key={}", public_key_path(&scene.identity.key).display());
    for user in ["", "*", "alice,root", "alice\n", "ali ce", " alice", "-alice", &"a".repeat(257)] {
        let said = scene.mezctl.run(&["auth", "sign", &format!("--user={user}"), &key]);
        assert!(matches!(said.code, Some(2 | 4)), "{user:?}: {said:?}");
        let said = scene.mezctl.run(&["users", "add", "--roles=dev", "--", user]);
        assert!(said.code == Some(2) || user == "-alice", "{user:?}: {said:?}");
    }
    for login in ["'*'", "'deploy,root'", "'ro ot'", "\"root\\n\"", "\"root\\0\"", "''"] {
        let role = Role { name: "odd".to_owned(), logins: vec![login.to_owned()], ..Role::default() };
        let file = scene.scratch.write("odd.yaml", role.yaml());
        let said = scene.mezctl.run(&["roles".as_ref(), "create".as_ref(), "-f".as_ref(), file.as_os_str()]);
        said.assert_code(2);
    }
    assert_eq!(scene.mezctl.audit("cert.issue").len(), issued, "no serial is used up");
    scene.assert_alive();
}

#[test]
fn hostile_004_critical_options_are_known_and_whole() {
    let mut theft = Theft::new();
    let critical = |label: &'static str, options: Vec<u8>| case(label, move |c| c.critical = options);
    let source = |value: &str| option("source-address", list([value]));
    refuse_all(
        &mut theft,
        "critical_option",
        vec![
            critical("unknown", option("no-touch-required", "")),
            critical("unknown with a value", option("verify-required@example", list(["x"]))),
            critical("a value without its length", option("source-address", "127.0.0.1")),
            critical(
                "bytes behind the value",
                option("source-address", [list(["127.0.0.1"]), vec![0]].concat()),
            ),
            critical("an empty value", source("")),
            critical("no value", option("source-address", "")),
            critical("twice", [source("127.0.0.1"), source("127.0.0.1")].concat()),
            critical("out of order", [option("z", ""), source("127.0.0.1")].concat()),
            critical("half an option", option("source-address", list(["127.0.0.1"]))[..20].to_vec()),
            critical("a name for a terminal", option(&"\u{1b}[2J\u{1b}]0;owned\u{7}\r\n".repeat(100), "")),
        ],
    );
    let log = theft.scene.gateway.log();
    assert!(!log.contains('\u{1b}'), "{log:?}");
}

#[test]
fn hostile_004_unknown_extensions_are_passed_over() {
    let mut theft = Theft::new();
    let blob = theft.good().with(|c| c.extensions.extend(option("zzz@example.com", list(["\u{1b}[2J"]))));
    theft.ssh("extended", &blob.signed(&theft.keys.user)).assert_ok();
    theft.scene.assert_alive();
}

#[test]
fn hostile_005_times_that_do_not_hold() {
    let now = Certificate::now();
    let times = |label: &'static str, valid_after: u64, valid_before: u64| {
        case(label, move |c| (c.valid_after, c.valid_before) = (valid_after, valid_before))
    };
    refuse_all(
        &mut Theft::new(),
        "validity",
        vec![
            times("expired a second ago", now - 60, now - 1),
            times("expires now", now - 60, now),
            times("ends at 0", 0, 0),
            times("starts in five minutes", now + 300, now + 3600),
            times("starts at the end of time", u64::MAX, u64::MAX),
            times("ends before it starts", now + 10, now - 10),
            times("for ever", now - 60, u64::MAX),
            times("since ever and for ever", 0, u64::MAX),
            times("beyond every calendar", now - 60, 1 << 63),
            times("two months", now - 60, now + 60 * 86_400),
        ],
    );
}

/// A session of stock ssh with a certificate that runs out in a moment.
fn session_on_short_certificate(theft: &Theft) -> Running {
    let blob = theft.good().with(|c| c.valid_before = Certificate::now() + 4).signed(&theft.keys.user);
    let route = theft.client("short", &blob).route(Way::Direct, theft.scene.login, "node1");
    let mut command = route.ssh::<&str>(&[]);
    command.arg("echo up; cat");
    let mut session = theft.scene.run_beside("session", &mut command);
    assert_eq!(session.line(), "up", "{}", session.log());
    session
}

#[test]
fn hostile_005_certificate_that_runs_out_ends_its_sessions_where_the_role_says_so() {
    let options =
        SceneOptions { role: Role::with_options(&["disconnect_expired_cert: true"]), ..Default::default() };
    let mut theft = Theft::with(options);
    let mut session = session_on_short_certificate(&theft);
    assert_eq!(session.wait().code(), Some(255));
    assert!(session.log().contains("your certificate has expired"), "{}", session.log());
    for kind in ["session.end", "connection.close"] {
        eventually(kind, || (!theft.scene.mezctl.audit(kind).is_empty()).then_some(()));
        assert_one_event(&theft.scene, kind, &[("reason", "cert_expired"), ("actor", "alice")]);
    }
    theft.scene.assert_alive();
}

#[test]
fn hostile_005_certificate_that_runs_out_opens_nothing_new_and_leaves_sessions_otherwise() {
    let mut theft = Theft::new();
    let mut session = session_on_short_certificate(&theft);
    let route = theft.client("other", &theft.good().signed(&theft.keys.user)).route(
        Way::Direct,
        theft.scene.login,
        "node1",
    );
    run(route.ssh::<&str>(&[]).arg("true")).assert_ok();
    let short = theft.scene.scratch.join("short_ssh_config");
    let said = eventually("the certificate to run out", || {
        let mut command = std::process::Command::new("ssh");
        let port = theft.scene.gateway.ssh().port().to_string();
        command.arg("-F").arg(&short).args(["-p", &port]);
        let said = run(command.arg(format!("{}@node1@localhost", theft.scene.login)).arg("true"));
        (said.code == Some(255)).then_some(said)
    });
    assert_refused(&said, &["your certificate expired at 20"]);
    session.say(b"still there\n");
    assert_eq!(session.line(), "still there");
    theft.scene.assert_alive();
}

#[test]
fn hostile_006_signatures_of_other_cas_and_no_signatures() {
    let mut theft = Theft::new();
    let rsa = RsaKey::generate(&theft.scene.scratch, "rsa");
    let (good, user) = (theft.good(), &theft.keys.user);
    let (stranger, ecdsa) = (any_key(), ecdsa_key());
    let by = |ca: &dyn Key| Certificate::of("alice", &theft.subject, ca).signed(ca);
    let signature = user.signature_of(&good.body());
    let flipped = |at: usize| {
        let mut wrong = signature.clone();
        wrong[at] ^= 1;
        good.with_signature(&wrong)
    };
    let renamed = |name: &str| {
        let mut wrong = list([name]);
        wrong.extend(&signature[4 + "ssh-ed25519".len()..]);
        good.with_signature(&wrong)
    };
    let other = Certificate::of("bob", &theft.subject, user);
    let sha1 =
        Certificate::of("alice", &theft.subject, &rsa).with_signature(&list([&b"ssh-rsa"[..], &[7; 256]]));
    let mut tls = Certificate::of("alice", &theft.subject, &ecdsa);
    tls.signature_key = tls_ca_key(&theft.scene);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("an unknown CA", by(&stranger)),
        ("an unknown ECDSA CA", by(&ecdsa)),
        ("an unknown RSA CA", by(&rsa)),
        ("the Host CA", by(&theft.keys.host)),
        ("the CA of the node leg", by(&theft.keys.openssh)),
        ("the TLS CA", tls.signed(&ecdsa)),
        ("its own key", by(&theft.subject)),
        ("the first bit of the signature flipped", flipped(4 + 11 + 4)),
        ("the last bit of the signature flipped", flipped(signature.len() - 1)),
        ("signed by a stranger in the CA's name", good.with_signature(&stranger.signature_of(&good.body()))),
        ("the signature of another certificate", good.with_signature(&user.signature_of(&other.body()))),
        ("an empty signature", good.with_signature(&list(["ssh-ed25519", ""]))),
        ("another algorithm's name", renamed("ecdsa-sha2-nistp256")),
        ("rsa-sha2-512 of an Ed25519 key", renamed("rsa-sha2-512")),
        ("SHA-1", sha1),
    ];
    let mut attempts = Vec::new();
    for (label, blob) in cases {
        attempts.push(theft.show(label, &blob, &theft.subject, "cert.refuse ca"));
    }
    theft.finish(&attempts);
}

/// The blob of the TLS CA's key, which is on P-256: the point in its certificate.
fn tls_ca_key(scene: &Scene) -> Vec<u8> {
    use base64::Engine as _;
    let pem = std::fs::read_to_string(scene.gateway.tls_ca()).unwrap();
    let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(lines).unwrap();
    let at = der.windows(4).position(|bytes| bytes == [0x03, 0x42, 0x00, 0x04]).unwrap() + 3;
    list([b"ecdsa-sha2-nistp256", &b"nistp256"[..], &der[at..at + 65]])
}

#[test]
fn hostile_006_gateway_without_a_user_ca_does_not_start() {
    use mezite_store::{Batch, Keyspace, Options, Store};
    let mut scene = Scene::start();
    assert!(scene.gateway.stop().success());
    let data = scene.gateway.data().to_owned();
    let store = Store::open(data.join("store"), Options::default()).unwrap();
    store.commit(Batch::new().delete(Keyspace::Keys, b"user/active")).wait().unwrap();
    drop(store);
    let mut start = std::process::Command::new(program("mezd"));
    start.args(["gateway", "start", "--cluster-name=test", "--ssh-listen", &closed_port().to_string()]);
    start.args(["--https-listen", &closed_port().to_string(), "--data-dir"]).arg(&data);
    let said = run(&mut start);
    assert_ne!(said.code, Some(0));
    assert!(said.err().contains("the store has no user CA key"), "{}", said.err());
    assert!(!said.err().contains("panicked"), "{}", said.err());
}
