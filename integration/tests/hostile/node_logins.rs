//! Nodes that misuse authentication, and what the gateway shows to nodes when it authenticates.

use mezite_fixtures::{Role, Scene, eventually};
use mezite_integration::hostile::{
    Answer, Certificate, HostKey, HostileClient, HostileNode, StolenKeys, Transport, accept_service, any_key,
    failure, list, listen, secure, serve_command,
};
use mezite_integration::{assert_one_event, assert_refused, text};
use mezite_ssh::wire::{Reader, Writer as _, msg};

use crate::{only_line, ssh_to};

/// A banner of `length` bytes that a terminal would obey.
fn banner(length: usize) -> Vec<u8> {
    let mut message = vec![msg::USERAUTH_BANNER];
    message.string("\u{1b}]0;owned\u{7}\u{1b}[2J".repeat(length / 14)).string("");
    message
}

/// A `keyboard-interactive` request that announces so many prompts, and sends one.
fn prompts(count: u32) -> Vec<u8> {
    let mut message = vec![msg::USERAUTH_INFO_REQUEST];
    message.string("").string("who are you?").string("").u32(count).string("Password: ").bool(false);
    message
}

/// A key that nobody has offered would do.
fn other_key_taken() -> Vec<u8> {
    let mut message = vec![msg::USERAUTH_PK_OK];
    message.string("ssh-ed25519").string(any_key().public_key().to_bytes().unwrap());
    message
}

/// What a node does once keys are exchanged.
type Script = Box<dyn Fn(&mut Transport) + Send + Sync>;

/// Accepts the service, waits for a request and sends these messages.
fn answering(messages: Vec<Vec<u8>>) -> Script {
    Box::new(move |transport| {
        if accept_service(transport) && transport.receive_only(msg::USERAUTH_REQUEST).is_some() {
            for message in &messages {
                transport.send(message);
            }
        }
    })
}

/// Says the same message again and again, until the gateway closes.
fn endless(message: Vec<u8>) -> Script {
    Box::new(move |transport| {
        if accept_service(transport) {
            while transport.receive_only(msg::USERAUTH_REQUEST).is_some() {
                (0..100).for_each(|_| transport.send(&message));
            }
        }
    })
}

#[test]
fn hostile_020_nodes_that_misuse_authentication() {
    let mut scene = Scene::start();
    let refused_login = format!("refused login {}: it does not trust the cluster's CA", scene.login);
    let before_service: Script = Box::new(|transport| {
        if transport.receive_only(msg::SERVICE_REQUEST).is_some() {
            transport.send(&[msg::USERAUTH_SUCCESS]);
        }
    });
    let wrong_service: Script = Box::new(|transport| {
        if transport.receive_only(msg::SERVICE_REQUEST).is_some() {
            transport.send(&[&[msg::SERVICE_ACCEPT][..], &list(["ssh-connection"])].concat());
        }
    });
    let cases: Vec<(&str, &str, Script)> = vec![
        ("success before anything was asked", "message 52 out of place", before_service),
        ("another service", "malformed message", wrong_service),
        ("1 MiB of banner", "packet too large", answering(vec![banner(1 << 20)])),
        ("endless banners", "flood before authentication", answering(vec![banner(1000); 1000])),
        ("endless partial success", &refused_login, endless(failure("publickey", true))),
        ("endless failure", &refused_login, endless(failure("publickey", false))),
        ("password asked for", &refused_login, endless(failure("password", true))),
        (
            "GSSAPI and more asked for",
            &refused_login,
            endless(failure("gssapi-with-mic,hostbased,password", false)),
        ),
        ("another key would do", "message 60 out of place", answering(vec![other_key_taken()])),
        ("a prompt", "message 60 out of place", answering(vec![prompts(1)])),
        ("a million prompts", "message 60 out of place", answering(vec![prompts(1_000_000)])),
        ("a channel", "message 90 out of place", answering(vec![vec![msg::CHANNEL_OPEN; 40]])),
        ("half a failure", "malformed message", answering(vec![vec![msg::USERAUTH_FAILURE, 0, 0]])),
        (
            "nothing more",
            &refused_login,
            answering(vec![vec![msg::DISCONNECT, 0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0, 0]]),
        ),
    ];
    for (number, (label, expected, script)) in cases.into_iter().enumerate() {
        let key = any_key();
        let host_key = HostKey::honest(&key);
        let node = HostileNode::start(move |transport| {
            if secure(transport, &host_key) {
                script(transport);
            }
            listen(transport);
        });
        // A name of its own, as what the gateway remembers of a node goes with the node.
        let name = format!("node-{number}");
        node.add_to(&scene, &name, Some(key.public_key()));
        let said = ssh_to(&scene, &name);
        assert_eq!(said.code, Some(255), "{label}: {said:?}");
        assert!(!said.err().contains('\u{1b}'), "{label}: {said:?}");
        assert_refused(&said, &[&name, expected]);
        assert_eq!(node.connections(), 1, "{label}: one dial");
        // The cluster has two CAs that a node may trust: each is tried once at most.
        let requests = node.heard(msg::USERAUTH_REQUEST);
        assert!(requests <= 2, "{label}: {requests} requests");
        assert_eq!(node.heard(msg::USERAUTH_INFO_RESPONSE), 0, "{label}: no prompt is answered");
        for request in node.hearings().concat().iter().filter(|m| m.first() == Some(&msg::USERAUTH_REQUEST)) {
            let fields = request.windows(9).any(|window| window == b"publickey");
            assert!(fields, "{label}: another method is tried");
        }
        assert_one_event(&scene, "connection.close", &[("node", &name), ("outcome", "failed")]);
    }
    scene.assert_alive();
}

#[test]
fn hostile_020_success_that_comes_twice_ends_the_connection() {
    let mut scene = Scene::start();
    let key = any_key();
    let node = HostileNode::lenient_then(HostKey::honest(&key), |transport| {
        transport.send(&[msg::USERAUTH_SUCCESS]);
    });
    node.add_to(&scene, "eager", Some(key.public_key()));
    let line = only_line("success twice", &ssh_to(&scene, "eager"));
    assert!(
        line.contains("the connection to eager is lost: protocol error: message 52 out of place"),
        "{line}"
    );
    let reason = "node: protocol error: message 52 out of place";
    eventually("the end of the connection", || {
        (!scene.mezctl.audit("connection.close").is_empty()).then_some(())
    });
    assert_one_event(&scene, "connection.close", &[("node", "eager"), ("reason", reason)]);
    scene.assert_alive();
}

#[test]
fn hostile_020_banners_of_nodes_reach_no_terminal() {
    let scene = Scene::start();
    let key = any_key();
    let host_key = HostKey::honest(&key);
    let node = HostileNode::secured(host_key, |transport| {
        if transport.receive_only(msg::USERAUTH_REQUEST).is_some() {
            (0..16).for_each(|_| transport.send(&banner(30_000)));
            transport.send(&[msg::USERAUTH_SUCCESS]);
            serve_command(transport, |_, _| ());
        }
    });
    node.add_to(&scene, "loud", Some(key.public_key()));
    let said = ssh_to(&scene, "loud");
    said.assert_ok();
    assert!(!said.err().contains('\u{1b}') && !said.err().contains("owned"), "{said:?}");
    assert!(!scene.gateway.log().contains('\u{1b}'));
}

/// What a certificate of the node leg says, out of the authentication request that brought it.
fn certificate_of(request: &[u8]) -> ssh_key::Certificate {
    let mut reader = Reader::new(request.get(1..).unwrap());
    let fields: Vec<_> = (0..3).map(|_| reader.string().unwrap()).collect();
    assert_eq!(fields[1..], [b"ssh-connection", &b"publickey"[..]]);
    assert_eq!(reader.bool(), Ok(true), "a request is signed, never only asked about");
    assert_eq!(reader.string(), Ok(&b"ssh-ed25519-cert-v01@openssh.com"[..]));
    ssh_key::Certificate::from_bytes(reader.string().unwrap()).unwrap()
}

#[test]
fn hostile_028_certificates_for_nodes_are_for_one_login_and_a_few_minutes() {
    let mut scene = Scene::start();
    let keys = StolenKeys::take(&mut scene);
    scene.role(&Role {
        name: "two".to_owned(),
        logins: vec!["deploy".to_owned(), "root".to_owned()],
        ..Role::default()
    });
    scene.mezctl.ok(&["users", "update", "alice", "--set-roles=two"]);
    let key = any_key();
    let node = HostileNode::lenient(HostKey::honest(&key), |_| true);
    node.add_to(&scene, "n1", Some(key.public_key()));
    let subject = any_key();
    let blob = Certificate::of("alice", &subject, &keys.user).signed(&keys.user);
    let mut conns = Vec::new();
    for login in ["deploy", "deploy", "root"] {
        let mut client = HostileClient::connect(scene.gateway.ssh());
        assert_eq!(client.authenticate(format!("{login}@n1"), &blob, &subject), Answer::Success);
        let source = client.source().to_string();
        let opened = assert_one_event(&scene, "connection.open", &[("source", &source), ("login", login)]);
        conns.push((login, text(&opened, "conn").to_owned()));
    }
    let hearings = node.hearings();
    let certificates: Vec<_> = hearings
        .iter()
        .map(|heard| heard.iter().filter(|message| message.first() == Some(&msg::USERAUTH_REQUEST)))
        .map(|mut requests| (certificate_of(requests.next().unwrap()), requests.next()))
        .collect();
    assert_eq!(certificates.len(), 3);
    let mut seen = Vec::new();
    for (certificate, more) in certificates {
        assert!(more.is_none(), "one request is enough");
        let id = certificate.key_id().to_owned();
        let (login, _) =
            conns.iter().find(|(_, conn)| id.contains(conn.as_str())).unwrap_or_else(|| panic!("{id}"));
        assert_eq!(certificate.valid_principals(), [login.to_string()], "{id}");
        assert!(id.starts_with(&format!("user=alice login={login} node=n1 conn=")), "{id}");
        assert_eq!(certificate.cert_type(), ssh_key::certificate::CertType::User);
        assert!(certificate.critical_options().is_empty());
        let life = certificate.valid_before() - Certificate::now();
        assert!((1..=300).contains(&life), "{life} s");
        assert_eq!(certificate.signature_key(), keys.openssh.public_key().key_data());
        assert_ne!(certificate.public_key(), subject.public_key().key_data(), "never the user's key");
        assert!(!seen.contains(certificate.public_key()), "a key of its own for each connection");
        seen.push(certificate.public_key().clone());
    }
    scene.mezctl.ok(&["users", "update", "alice", "--set-roles=dev"]);
    scene.assert_alive();
}

#[test]
fn hostile_032_failing_logins_are_kept_from_the_node() {
    let mut scene = Scene::start();
    let keys = StolenKeys::take(&mut scene);
    scene.role(&Role {
        name: "two".to_owned(),
        logins: vec!["good".to_owned(), "bad".to_owned()],
        ..Role::default()
    });
    for user in ["mallory", "bob"] {
        scene.mezctl.ok(&["users", "add", user, "--roles", "two"]);
    }
    let key = any_key();
    let node = HostileNode::lenient(HostKey::honest(&key), |login| login == b"good");
    node.add_to(&scene, "strict", Some(key.public_key()));
    let subject = any_key();
    let attempt = |user: &str, target: &str| {
        let blob = Certificate::of(user, &subject, &keys.user).signed(&keys.user);
        let mut client = HostileClient::connect(scene.gateway.ssh());
        let answer = client.authenticate(target, &blob, &subject);
        (answer, client.banners().concat())
    };
    for number in 0..200 {
        // What the gateway can decide itself never reaches the node; what only the node can, does so now and then.
        let target = ["bad@strict", "none@strict", "ba,d@strict", "bad@strict"][number % 4];
        let (answer, banner) = attempt("mallory", target);
        assert!(answer.is_refusal(), "{number}: {answer:?}");
        assert!(banner.starts_with("mezite: "), "{number}: {banner:?}");
        if number % 50 == 0 {
            assert_eq!(
                attempt("bob", "good@strict").0,
                Answer::Success,
                "{number}: another user is let in meanwhile"
            );
        }
    }
    assert_eq!(attempt("bob", "good@strict").0, Answer::Success, "and afterwards");
    assert_eq!(attempt("mallory", "good@strict").0, Answer::Success, "the login counts, not only the user");
    let failing = node
        .hearings()
        .iter()
        .flatten()
        .filter(|message| message.first() == Some(&msg::USERAUTH_REQUEST))
        .filter(|message| Reader::new(&message[1..]).string() != Ok(b"good"))
        .count();
    // Two dials with a certificate of each CA, and as many again should half a minute pass meanwhile.
    assert!((1..=8).contains(&failing), "{failing} failing requests reached the node");
    assert_eq!(
        scene
            .mezctl
            .audit("connection.close")
            .iter()
            .filter(|e| e["actor"] == "mallory" && e["login"] == "bad")
            .count(),
        100
    );
    scene.assert_alive();
}
