//! Host keys when nodes are added, and when pins change while somebody is on the way.

use std::thread;

use mezite_fixtures::{Finished, KeyType, Scene, fingerprint, generate_key, public_key};
use mezite_integration::hostile::{HostKey, HostileNode, Transport, any_key};
use mezite_integration::{assert_one_event, assert_refused, text};
use ssh_key::HashAlg;

/// `nodes add` of a node at `port` with this host key, which is verified.
fn add_verified(scene: &Scene, name: &str, port: u16, host_key: &str) -> Finished {
    scene.mezctl.run(&[
        "nodes",
        "add",
        "--openssh",
        &format!("--name={name}"),
        "--host=127.0.0.1",
        &format!("--port={port}"),
        "--labels=env=test",
        &format!("--host-key={host_key}"),
        "--verify-host-key",
    ])
}

#[test]
fn hostile_039_keys_that_are_not_shown_are_not_stored() {
    let mut scene = Scene::start();
    let (pinned, other) = (any_key(), any_key());
    let line = pinned.public_key().to_openssh().unwrap();
    let shown = other.fingerprint(HashAlg::Sha256).to_string();
    let cases: Vec<(&str, i32, String, HostileNode)> = vec![
        ("another-key", 5, shown, HostileNode::secured(HostKey::honest(&other), |_| ())),
        (
            "unproven",
            5,
            "does not prove".to_owned(),
            HostileNode::secured(HostKey::unproven(&pinned), |_| ()),
        ),
        ("tarpit", 6, "timed out during identification".to_owned(), HostileNode::start(Transport::drain)),
        ("no-ssh", 6, "not an SSH-2 peer".to_owned(), HostileNode::start(|t| t.say(b"SSH-1.5-x\r\n"))),
        ("closing", 6, String::new(), HostileNode::start(|_| ())),
    ];
    let scene_ref = &scene;
    let said: Vec<Finished> = thread::scope(|scope| {
        let running: Vec<_> = cases
            .iter()
            .map(|(name, _, _, node)| {
                let line = &line;
                scope.spawn(move || add_verified(scene_ref, name, node.address().port(), line))
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for ((name, code, part, node), said) in cases.iter().zip(said) {
        assert_eq!(said.code, Some(*code), "{name}: {said:?}");
        assert!(said.err().contains(part), "{name}: {said:?}");
        assert!(node.connections() >= 1, "{name}");
        scene.mezctl.run(&["nodes", "get", name]).assert_code(4);
    }
    assert_eq!(scene.mezctl.list(&["nodes", "ls"]).len(), 1);
    assert_eq!(scene.mezctl.audit("node.create").len(), 1, "only the scene's own node");
    let mismatches = scene.mezctl.audit("node.hostkey.mismatch");
    let mut nodes: Vec<_> = mismatches.iter().map(|event| text(event, "node")).collect();
    nodes.sort_unstable();
    assert_eq!(nodes, ["another-key", "unproven"], "all that is kept is that it was seen, and by whom");
    assert!(mismatches.iter().all(|event| event["actor"].is_u64()), "{mismatches:#?}");
    scene.assert_alive();
}

#[test]
fn hostile_039_one_of_two_operators_adds_a_name() {
    let mut scene = Scene::start();
    let key = scene.sshd.host_key();
    let port = scene.sshd.port();
    let scene_ref = &scene;
    for round in 0..5 {
        let name = format!("twice-{round}");
        let codes: Vec<_> = thread::scope(|scope| {
            let running: Vec<_> =
                (0..4).map(|_| scope.spawn(|| add_verified(scene_ref, &name, port, &key).code)).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
        assert_eq!(codes.iter().filter(|code| **code == Some(5)).count(), 3, "{codes:?}");
    }
    assert_eq!(scene.mezctl.list(&["nodes", "ls"]).len(), 6);
    assert_eq!(scene.mezctl.audit("node.create").len(), 6);
    scene.assert_alive();
}

#[test]
fn hostile_039_new_pins_hold_from_the_next_connection_on() {
    let mut scene = Scene::start();
    let old = scene.sshd.fingerprint();
    let other = scene.scratch.join("other");
    generate_key(&other, KeyType::Ed25519);
    let mut command = scene.route().ssh::<&str>(&[]);
    command.arg("echo up; cat");
    let mut session = scene.run_beside("session", &mut command);
    assert_eq!(session.line(), "up", "{}", session.log());

    // Not with a key that the node does not show, where that is asked for.
    let flag = format!("--host-key={}", public_key(&other));
    scene.mezctl.run(&["nodes", "rotate-host-key", "node1", &flag, "--verify-host-key"]).assert_code(5);
    assert!(scene.mezctl.audit("node.hostkey.rotate").is_empty());
    scene.ssh("true").assert_ok();

    scene.mezctl.ok(&["nodes", "rotate-host-key", "node1", &flag]);
    let event = assert_one_event(&scene, "node.hostkey.rotate", &[("node", "node1")]);
    let shown = event.to_string();
    assert!(shown.contains(&old) && shown.contains(&fingerprint(&other)), "{event}");
    assert!(event.get("actor").is_some_and(|actor| !actor.is_null()), "{event}");
    assert_refused(&scene.ssh("true"), &["refused to connect to node1", &fingerprint(&other), &old]);
    session.say(b"still here\n");
    assert_eq!(session.line(), "still here", "a session that runs goes on");

    // The same with the node removed under a session.
    let back = format!("--host-key={}", scene.sshd.host_key());
    scene.mezctl.ok(&["nodes", "rotate-host-key", "node1", &back]);
    scene.ssh("true").assert_ok();
    scene.mezctl.ok(&["nodes", "rm", "node1"]);
    assert_refused(&scene.ssh("true"), &["may not log in as"]);
    session.say(b"even now\n");
    assert_eq!(session.line(), "even now");
    session.finish();
    assert!(session.wait().success());
    scene.add_node("node1");
    scene.assert_alive();
}

#[test]
fn hostile_039_pins_that_change_while_somebody_connects_are_old_or_new() {
    let mut scene = Scene::start();
    let other = scene.scratch.join("other");
    generate_key(&other, KeyType::Ed25519);
    let flags = [public_key(&other), scene.sshd.host_key()].map(|key| format!("--host-key={key}"));
    let mezctl = scene.mezctl.clone();
    let rotations = thread::spawn(move || {
        for number in 0..20 {
            mezctl.ok(&["nodes", "rotate-host-key", "node1", &flags[number % 2]]);
        }
    });
    let mut outcomes = [0, 0];
    while !rotations.is_finished() {
        let said = scene.ssh("true");
        if said.code == Some(0) {
            outcomes[0] += 1;
        } else {
            assert_refused(&said, &["refused to connect to node1", &fingerprint(&other)]);
            outcomes[1] += 1;
        }
    }
    rotations.join().unwrap();
    assert!(outcomes.iter().sum::<u32>() > 0);
    assert_eq!(scene.mezctl.audit("node.hostkey.mismatch").len(), outcomes[1] as usize, "each is audited");
    assert_eq!(scene.mezctl.audit("node.hostkey.rotate").len(), 20);
    scene.assert_alive();
}
