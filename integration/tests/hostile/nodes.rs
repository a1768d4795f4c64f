//! Nodes that must not be dialled, or are in no state to take anybody.

use std::io::Write as _;
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use mezite_fixtures::{FakeNode, Finished, RawClient, Scene, SceneOptions, SshdOptions, Way, eventually};
use mezite_integration::hostile::{HostKey, HostileNode, KexInit, Transport, any_key, listen, secure};
use mezite_integration::{assert_one_event, assert_refused, text};
use mezite_ssh::wire::{Writer as _, msg};

use crate::ssh_to;

#[test]
fn hostile_030_addresses_that_are_never_dialled() {
    let mut scene = Scene::start();
    let node = FakeNode::silent();
    let port = node.address().port().to_string();
    let (ssh, https) = (scene.gateway.ssh().port().to_string(), scene.gateway.https().port().to_string());
    let cases = [
        ("link-local", "169.254.169.254", "80", "which is a link-local address"),
        ("link-local-6", "fe80::1", "22", "which is a link-local address"),
        ("mapped", "::ffff:169.254.169.254", "22", "which is a link-local address"),
        ("unspecified", "0.0.0.0", &port, "which is an unspecified address"),
        ("unspecified-6", "::", &port, "which is an unspecified address"),
        ("multicast", "224.0.0.1", "22", "which is a multicast address"),
        ("broadcast", "255.255.255.255", "22", "which is a reserved address"),
        ("self", "127.0.0.1", &ssh, "which is the gateway itself"),
        ("self-https", "127.0.0.1", &https, "which is the gateway itself"),
        ("self-mapped", "::ffff:127.0.0.1", &ssh, "which is the gateway itself"),
        ("self-by-name", "localhost", &ssh, ""),
        ("nothing", "no-such-host.invalid", "22", "its host name cannot be resolved"),
    ];
    let accepted = scene.mezctl.audit("access.refuse").len();
    for (name, host, port, why) in cases {
        let pinned = format!("--host-key={}", scene.sshd.host_key());
        let (flag, host, port) =
            (format!("--name={name}"), format!("--host={host}"), format!("--port={port}"));
        let add = ["nodes", "add", "--openssh", "--labels=env=test", &flag, &host, &port, &pinned];
        let added = scene.mezctl.run(&add);
        if added.code == Some(2) {
            // Refused when it was to be recorded: so much the better.
            assert!(added.err().contains("host"), "{name}: {added:?}");
            continue;
        }
        added.assert_ok();
        assert_refused(&ssh_to(&scene, name), &[&format!("cannot reach {name}: "), why]);
        let event = assert_one_event(&scene, "connection.close", &[("node", name), ("outcome", "failed")]);
        let reason = text(&event, "reason");
        assert!(["address", "resolve", "connect"].contains(&reason), "{name}: {event}");
    }
    assert_eq!(node.connections(), 0);
    assert_eq!(scene.mezctl.audit("access.refuse").len(), accepted, "the gateway did not connect to itself");
    scene.assert_alive();
}

/// A node that says its line and its KEXINIT, and then does something.
fn proposing(proposal: KexInit, then: impl Fn(&mut Transport) + Send + Sync + 'static) -> HostileNode {
    HostileNode::start(move |transport| {
        if transport.exchange_lines() {
            transport.propose(&proposal);
            then(transport);
        }
    })
}

/// Resets the connection.
fn reset(transport: &mut Transport) {
    transport.hear_proposal();
    rustix::net::sockopt::set_socket_linger(transport.stream(), Some(Duration::ZERO)).unwrap();
    transport.stream().shutdown(Shutdown::Both).unwrap();
}

#[test]
fn hostile_031_nodes_in_no_state_to_take_anybody() {
    let mut scene = Scene::start();
    let key = any_key();
    let algorithms = |change: fn(&mut KexInit)| {
        let mut proposal = KexInit::new("ssh-ed25519");
        change(&mut proposal);
        proposal
    };
    let slowly = HostileNode::start(|transport| {
        for byte in b"SSH-2.0-slow".iter().cycle() {
            if transport.stream().write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_secs(1));
        }
    });
    let early = HostileNode::start(|transport| {
        let block = b"please hold the line\r\n".repeat(1000);
        while transport.stream().write_all(&block).is_ok() {}
    });
    let unfinished =
        HostileNode::start(|transport| while transport.stream().write_all(&[b'x'; 4096]).is_ok() {});
    let service = HostKey::honest(&key);
    let half = HostileNode::start(move |transport| {
        if secure(transport, &service) {
            transport.receive_only(msg::SERVICE_REQUEST);
            transport.stream().shutdown(Shutdown::Both).unwrap();
        }
    });
    let cases: Vec<(&str, &str, HostileNode)> = vec![
        ("silent", "timed out during identification", HostileNode::start(Transport::drain)),
        ("slow", "timed out during identification", slowly),
        ("talkative", "bad identification line", early),
        ("endless-line", "bad identification line", unfinished),
        (
            "old",
            "not an SSH-2 peer",
            HostileNode::start(|t| {
                t.say(b"SSH-1.5-old\r\n");
                t.drain();
            }),
        ),
        (
            "no-method",
            "no common key exchange method",
            proposing(algorithms(|p| p.methods = "diffie-hellman-group1-sha1".into()), listen),
        ),
        (
            "no-cipher",
            "no common cipher",
            proposing(algorithms(|p| p.ciphers = "arcfour,3des-cbc".into()), listen),
        ),
        (
            "nothing-at-all",
            "no common",
            proposing(
                KexInit { methods: String::new(), host_keys: String::new(), ciphers: String::new() },
                listen,
            ),
        ),
        ("resets", "", proposing(KexInit::new("ssh-ed25519"), reset)),
        ("stops", "timed out during key exchange", proposing(KexInit::new("ssh-ed25519"), Transport::drain)),
        ("leaves", "refused login", half),
    ];
    for (name, _, node) in &cases {
        node.add_to(&scene, name, Some(key.public_key()));
    }
    // All at once: some take their time until a deadline of the gateway's.
    let said: Vec<Finished> = thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|(name, ..)| scope.spawn(|| ssh_to(&scene, name))).collect();
        // Another node is reached meanwhile, while every slot of these is taken.
        for _ in 0..3 {
            scene.ssh("true").assert_ok();
        }
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for ((name, why, node), said) in cases.iter().zip(said) {
        assert_refused(&said, &[name, why]);
        let lines = said.err().lines().filter(|line| line.contains("mezite: ")).count();
        assert_eq!(lines, 1, "{name}: {said:?}");
        assert_eq!(node.connections(), 1, "{name}: one dial");
        assert_one_event(&scene, "connection.close", &[("node", name), ("outcome", "failed")]);
    }
    scene.assert_alive();
}

#[test]
fn hostile_031_node_that_is_full_is_asked_again_a_few_times() {
    let sshd = SshdOptions { config: vec!["MaxStartups 1:100:1".to_owned()], ..SshdOptions::default() };
    let scene = Scene::with(SceneOptions { sshd, ..SceneOptions::default() });
    // Somebody else is on the way in and goes no further.
    let mut other = RawClient::connect(scene.sshd.address());
    assert!(other.line().starts_with("SSH-2.0-"));
    let said = scene.ssh("true");
    assert_refused(
        &said,
        &["cannot reach node1: it closed the connection before its greeting", "tried 4 times"],
    );
    assert_one_event(&scene, "connection.close", &[("reason", "no_greeting")]);
    drop(other);
    eventually("the node to have room", || (scene.ssh("true").code == Some(0)).then_some(()));
}

/// Hears messages until the gateway closes, longer than it waits.
fn listen_longer(transport: &mut Transport) {
    transport.stream().set_read_timeout(Some(Duration::from_mins(3))).unwrap();
    listen(transport);
}

/// `BANNER` with a word that no person needs.
fn banner() -> Vec<u8> {
    let mut message = vec![msg::USERAUTH_BANNER];
    message.string("one moment").string("");
    message
}

#[test]
fn hostile_031_node_that_does_not_say_whether_it_lets_in_is_named_before_the_client_runs_out_of_time() {
    let mut scene = Scene::start();
    let key = any_key();
    let silent = HostileNode::secured(HostKey::honest(&key), listen_longer);
    let deaf = HostileNode::start({
        let key = HostKey::honest(&key);
        move |transport| {
            secure(transport, &key);
            listen_longer(transport);
        }
    });
    let chatty = HostileNode::secured(HostKey::honest(&key), |transport| {
        for _ in 0..15 {
            transport.send(&banner());
            thread::sleep(Duration::from_secs(2));
        }
        listen_longer(transport);
    });
    let nodes = [("silent", silent), ("deaf", deaf), ("chatty", chatty)];
    thread::scope(|scope| {
        for (name, node) in &nodes {
            node.add_to(&scene, name, Some(key.public_key()));
            let scene = &scene;
            scope.spawn(move || {
                let route = scene.client.route(Way::Direct, scene.login, name);
                let mut ssh = scene.run_beside(name, route.ssh::<&str>(&[]).arg("true"));
                let began = Instant::now();
                while ssh.is_running() {
                    assert!(began.elapsed() < Duration::from_mins(3), "{name}: {}", ssh.log());
                    thread::sleep(Duration::from_millis(100));
                }
                let why = "no answer to the authentication within 60 s. Check sshd on the node";
                let log = ssh.log();
                assert!(log.contains(&format!("mezite: cannot reach {name}: {why}")), "{log}");
                let fields = [("node", *name), ("outcome", "failed"), ("reason", "silent")];
                assert_one_event(scene, "connection.close", &fields);
            });
        }
    });
    assert!(nodes.iter().all(|(_, node)| node.connections() == 1));
    scene.assert_alive();
}
