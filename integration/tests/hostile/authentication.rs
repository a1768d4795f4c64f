//! Clients that misuse user authentication.

use std::fs;

use mezite_fixtures::{GatewayOptions, Role, Scene, SceneOptions};
use mezite_integration::hostile::{
    Answer, Attempt, Certificate, HostileClient, Key, METHODS, Signed, Theft, any_key, assert_trail,
    certificate_name, list,
};
use mezite_integration::{assert_one_event, text};
use mezite_ssh::wire::{Writer as _, msg};

fn refused() -> Answer {
    Answer::Failure(METHODS.to_owned(), false)
}

#[test]
fn hostile_017_identity_is_that_of_the_key_that_signs() {
    let mut theft = Theft::new();
    theft.scene.role(&Role {
        name: "wide".to_owned(),
        logins: vec![theft.scene.login.to_owned(), "special".to_owned()],
        ..Default::default()
    });
    theft.scene.mezctl.ok(&["users", "add", "boss", "--roles", "wide"]);
    let (alice, boss) = (any_key(), any_key());
    let certify = |user: &str, key| Certificate::of(user, key, &theft.keys.user).signed(&theft.keys.user);
    let (of_alice, of_boss) = (certify("alice", &alice), certify("boss", &boss));
    let algorithm = certificate_name("ssh-ed25519");
    let user = format!("{}@node1", theft.scene.login);

    // Asked about hers, then about the boss's; signed with hers.
    let mut client = HostileClient::connect(theft.scene.gateway.ssh());
    assert_eq!(client.query(&user, &algorithm, &of_alice), Answer::KeyTaken(of_alice.clone()));
    assert_eq!(client.query(&user, &algorithm, &of_boss), Answer::KeyTaken(of_boss.clone()));
    assert_eq!(client.authenticate(&user, &of_alice, &alice), Answer::Success);
    // What comes after success is passed over, also when it is right.
    let late = Signed::new(&client, &user, &of_boss, &boss);
    let late = late.with_signature(&boss.signature_of(&late.message()));
    client.send(&late);
    let outcome = client.exec("echo in");
    assert_eq!((outcome.output.as_slice(), outcome.status), (&b"in\n"[..], Some(0)));
    let source = client.source().to_string();
    for kind in ["connection.open", "session.start"] {
        assert_one_event(&theft.scene, kind, &[("source", &source), ("actor", "alice")]);
    }
    let opened = assert_one_event(&theft.scene, "connection.open", &[("source", &source)]);
    assert_eq!(text(&opened, "key"), alice.fingerprint(ssh_key::HashAlg::Sha256).to_string());
    drop(client);

    // Where only the boss may go, asking about the boss's certificate is no help, and neither is showing it.
    let before = theft.scene.sshd.connections();
    let user = "special@node1";
    let mut client = HostileClient::connect(theft.scene.gateway.ssh());
    assert_eq!(client.query(user, &algorithm, &of_boss), Answer::KeyTaken(of_boss.clone()));
    assert_eq!(client.authenticate(user, &of_alice, &alice), refused());
    assert_eq!(client.query(user, &algorithm, &of_boss), Answer::KeyTaken(of_boss.clone()));
    assert_eq!(client.authenticate(user, &of_boss, &alice), refused());
    assert_eq!(theft.scene.sshd.connections(), before, "no node is dialled");
    let refusal = Attempt {
        label: "alice in the boss's place".to_owned(),
        source: client.source(),
        events: vec!["access.refuse login".to_owned(), "auth.fail signature".to_owned()],
    };
    assert_trail(&mut theft.scene, &[refusal]);
}

#[test]
fn hostile_017_questions_are_counted() {
    let mut theft = Theft::new();
    let algorithm = certificate_name("ssh-ed25519");
    let good = theft.good().signed(&theft.keys.user);
    let mut attempts = Vec::new();
    // A certificate that would do, asked about again and again; plain keys, of which none would do.
    for (label, most, key) in [("certificate", 64, Some(&good)), ("plain keys", 6, None)] {
        let mut client = HostileClient::connect(theft.scene.gateway.ssh());
        let answers: Vec<Answer> = (0..1000)
            .map(|_| match key {
                Some(blob) => client.query("root@untouched", &algorithm, blob),
                None => client.query("root@untouched", "ssh-ed25519", &any_key().blob()),
            })
            .take_while(|answer| !matches!(answer, Answer::Disconnected(..) | Answer::Closed))
            .collect();
        assert!(answers.len() <= most && !answers.contains(&Answer::Success), "{label}: {}", answers.len());
        attempts.push(Attempt::new(label, client.source(), "auth.fail too_many_attempts"));
    }
    theft.finish(&attempts);
}

/// Makes a request of one that is in order.
type Forge<'a> = Box<dyn Fn(Signed) -> Vec<u8> + 'a>;

#[test]
fn hostile_018_only_a_true_signature_over_this_request_lets_in() {
    let mut theft = Theft::new();
    let blob = theft.good().signed(&theft.keys.user);
    let stranger = any_key();
    let key = &theft.subject;
    let user = format!("{}@untouched", theft.scene.login);
    let elsewhere = HostileClient::connect(theft.scene.gateway.ssh());
    // Signs something else than what is sent.
    let over = |change: fn(&mut Signed)| -> Forge<'_> {
        Box::new(move |sent| sent.with_signature(&key.signature_of(&sent.clone().with(change).message())))
    };
    let signature = |bytes: Vec<u8>| -> Forge<'_> { Box::new(move |sent| sent.with_signature(&bytes)) };
    // Changes a true signature.
    let changed = |change: fn(&mut Vec<u8>)| -> Forge<'_> {
        Box::new(move |sent| {
            let mut signature = key.signature_of(&sent.message());
            change(&mut signature);
            sent.with_signature(&signature)
        })
    };
    let tagged = |algorithm: &'static str| -> Forge<'_> {
        Box::new(move |sent| {
            let sent = sent.with(|sent| sent.algorithm = algorithm.to_owned());
            sent.with_signature(&key.signature_of(&sent.message()))
        })
    };
    let (fail, protocol) = ("auth.fail signature", "access.refuse protocol");
    let cases: Vec<(&str, &str, Forge<'_>)> = vec![
        ("empty", fail, signature(Vec::new())),
        ("an empty signature in its blob", fail, signature(list(["ssh-ed25519", ""]))),
        ("zeros", fail, signature(list([&b"ssh-ed25519"[..], &[0; 64]]))),
        ("another session", fail, over(|signed| signed.session[0] ^= 1)),
        ("no session", fail, over(|signed| signed.session.clear())),
        (
            "the session of another connection",
            fail,
            Box::new(|sent| {
                let other = Signed::new(&elsewhere, &sent.user, &sent.blob, key);
                sent.with_signature(&key.signature_of(&other.message()))
            }),
        ),
        ("another user", fail, over(|signed| signed.user = b"bob@untouched".to_vec())),
        ("another service", fail, over(|signed| signed.service = "ssh-userauth".to_owned())),
        ("another algorithm", fail, over(|signed| signed.algorithm = "ssh-ed25519".to_owned())),
        ("the plain key", fail, over(|signed| signed.blob.truncate(51))),
        (
            "another key than the certificate's",
            fail,
            Box::new(|sent| sent.with_signature(&stranger.signature_of(&sent.message()))),
        ),
        ("bytes behind the signature", fail, changed(|signature| signature.push(0))),
        ("half a signature", fail, changed(|signature| signature.truncate(40))),
        ("a flipped bit", fail, changed(|signature| *signature.last_mut().unwrap() ^= 1)),
        ("tagged rsa-sha2-512", fail, tagged("rsa-sha2-512-cert-v01@openssh.com")),
        ("tagged as a plain key", fail, tagged("ssh-ed25519")),
        ("tagged with nothing", fail, tagged("")),
        (
            "bytes behind the request",
            protocol,
            Box::new(|sent| [sent.with_signature(&key.signature_of(&sent.message())), vec![0]].concat()),
        ),
        ("no signature at all", protocol, Box::new(|sent| sent.unsigned())),
    ];
    let mut attempts = Vec::new();
    for (label, event, forge) in cases {
        let mut client = HostileClient::connect(theft.scene.gateway.ssh());
        let request = forge(Signed::new(&client, &user, &blob, key));
        client.send(&request);
        match client.answer() {
            Answer::Failure(..) if event == fail => {}
            Answer::Disconnected(2, _) if event == protocol => {}
            answer => panic!("{label}: {answer:?}"),
        }
        attempts.push(Attempt::new(label, client.source(), event));
    }
    theft.finish(&attempts);
}

/// A body of `gssapi-with-mic` that announces mechanisms.
fn mechanisms(count: u32, oids: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    body.u32(count);
    for oid in oids {
        body.string(oid);
    }
    body
}

#[test]
fn hostile_022_methods_that_are_not_offered() {
    const PASSWORD: &str = "correct-horse-battery-staple";
    let options = GatewayOptions {
        environment: vec![("MEZITE_LOG".to_owned(), "trace".to_owned())],
        ..GatewayOptions::default()
    };
    let mut scene = Scene::with(SceneOptions { gateway: options, ..SceneOptions::default() });
    let mut password = vec![0];
    password.string(PASSWORD);
    let mut change = vec![1];
    change.string(PASSWORD).string(PASSWORD);
    let mut hostbased = Vec::new();
    hostbased
        .string("ssh-ed25519")
        .string(any_key().blob())
        .string("trusted.example")
        .string("root")
        .string("x");
    let cases: Vec<(&str, &str, Vec<u8>, &[&str])> = vec![
        ("none", "none", vec![], &[]),
        ("none with a body", "none", vec![b'x'; 30_000], &[]),
        ("password", "password", password, &[]),
        ("password change", "password", change, &[]),
        ("half a password", "password", vec![0, 0, 0, 1], &[]),
        ("30 KiB of password", "password", [&[0, 0, 0, 0x75, 0x30][..], &vec![b'x'; 30_000]].concat(), &[]),
        ("hostbased", "hostbased", hostbased, &[]),
        ("a million mechanisms", "gssapi-with-mic", mechanisms(1_000_000, &[b"x"]), &[]),
        ("a mechanism without a name", "gssapi-with-mic", mechanisms(1, &[b""]), &[]),
        ("unknown", "telepathy", vec![], &[]),
        ("no name", "", vec![], &[]),
        ("a name for a terminal", "\u{1b}[2J\r\npassword", vec![], &[]),
        (
            "keyboard-interactive",
            "keyboard-interactive",
            list(["", "pam"]),
            &["takes certificates of cluster test only"],
        ),
        ("keyboard-interactive without a body", "keyboard-interactive", vec![], &["takes certificates"]),
    ];
    let mut attempts = Vec::new();
    for (label, method, body, told) in cases {
        let mut client = HostileClient::connect(scene.gateway.ssh());
        client.request(b"root@node1", "ssh-connection", method, &body);
        assert_eq!(client.answer(), refused(), "{label}");
        assert_eq!(client.banners().len(), told.len(), "{label}: {:?}", client.banners());
        for (banner, part) in client.banners().iter().zip(told) {
            assert!(banner.contains(part), "{label}: {banner}");
        }
        let asked = client.transport().heard().iter().any(|m| m.first() == Some(&msg::USERAUTH_INFO_REQUEST));
        assert!(!asked, "{label}: nothing is asked before a certificate stands");
        let mut attempt = Attempt::new(label, client.source(), "auth.fail no_certificate");
        if method == "none" {
            // Every client begins like that; who only looks leaves no trace.
            attempt.events.clear();
        }
        attempts.push(attempt);
    }
    assert_eq!(scene.sshd.connections(), 0);
    assert_trail(&mut scene, &attempts);
    assert_nowhere(&scene, PASSWORD.as_bytes());
}

/// Ends the test when `secret` stands in a file of the gateway's, or in its log.
fn assert_nowhere(scene: &Scene, secret: &[u8]) {
    let mut folders = vec![scene.gateway.data().to_owned()];
    let mut files = vec![scene.scratch.join("mezd.log")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            let list = if kind.is_dir() { &mut folders } else { &mut files };
            if kind.is_dir() || kind.is_file() {
                list.push(entry.path());
            }
        }
    }
    for file in files {
        let content = fs::read(&file).unwrap();
        let found = content.windows(secret.len()).any(|window| window == secret);
        assert!(!found, "it stands in {}", file.display());
    }
}

#[test]
fn hostile_022_tries_are_counted() {
    let mut scene = Scene::start();
    let mut attempts = Vec::new();
    let mut password = vec![0];
    password.string("x");
    for (label, method, body) in [
        ("password", "password", password),
        ("keyboard-interactive", "keyboard-interactive", list(["", ""])),
        ("unknown", "telepathy", vec![]),
    ] {
        let mut client = HostileClient::connect(scene.gateway.ssh());
        let mut refusals = 0;
        let last = loop {
            client.request(b"root@node1", "ssh-connection", method, &body);
            match client.answer() {
                Answer::Failure(methods, false) if methods == METHODS => refusals += 1,
                other => break other,
            }
            assert!(refusals < 200, "{label}: there is no end");
        };
        assert!(refusals < 6, "{label}: {refusals} refusals");
        assert!(matches!(last, Answer::Disconnected(14, _)), "{label}: {last:?}");
        assert_eq!(client.banners().len(), 1, "{label}: {:?}", client.banners());
        attempts.push(Attempt::new(label, client.source(), "auth.fail too_many_attempts"));
    }
    assert_eq!(scene.sshd.connections(), 0);
    assert_trail(&mut scene, &attempts);
}
