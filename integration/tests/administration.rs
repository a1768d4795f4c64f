//! Enrolment and administration by `mezctl`: what is done, shown, refused and audited.

use mezite_fixtures::{
    FakeNode, KeyType, Scene, eventually, fingerprint, generate_key, public_key, public_key_path, run,
};
use mezite_integration::{assert_one_event, text};

/// `nodes add` for the scene's sshd under another name, with further arguments.
fn add(scene: &Scene, name: &str, further: &[&str]) -> mezite_fixtures::Finished {
    let (name, port) = (format!("--name={name}"), format!("--port={}", scene.sshd.port()));
    let mut arguments =
        vec!["nodes", "add", "--openssh", &name, "--host=127.0.0.1", &port, "--labels=env=test,tier=db"];
    arguments.extend(further);
    scene.mezctl.run(&arguments)
}

#[test]
fn node_lives_from_add_to_rm() {
    let scene = Scene::start();
    let key = scene.sshd.host_key();
    add(&scene, "db-1", &[&format!("--host-key={key}"), "--verify-host-key"]).assert_ok();

    let node = scene.mezctl.json(&["nodes", "get", "db-1"]);
    assert_eq!(node["spec"]["hostname"], "db-1");
    assert_eq!(node["spec"]["addr"], scene.sshd.address().to_string());
    assert_eq!(node["metadata"]["labels"]["tier"], "db");
    assert!(node["spec"]["host_keys"][0].as_str().unwrap().starts_with("ssh-ed25519 "));

    let names = |labels: &str| -> Vec<String> {
        let nodes = scene.mezctl.list(&["nodes", "ls", "--labels", labels]);
        nodes.iter().map(|node| text(&node["spec"], "hostname").to_owned()).collect()
    };
    assert_eq!(names("tier=db"), ["db-1"]);
    assert_eq!(names("env=test").len(), 2);
    scene.mezctl.ok(&["nodes", "update", "db-1", "--labels=tier=web"]);
    assert_eq!(names("tier=db"), [""; 0]);
    assert_eq!(names("tier=web"), ["db-1"]);

    scene.mezctl.ok(&["nodes", "rm", "db-1"]);
    scene.mezctl.run(&["nodes", "get", "db-1"]).assert_code(4);
    scene.mezctl.run(&["nodes", "rm", "db-1"]).assert_code(4);
}

#[test]
fn names_are_unique_and_case_does_not_make_two() {
    let scene = Scene::start();
    let key = format!("--host-key={}", scene.sshd.host_key());
    for name in ["node1", "NODE1"] {
        let said = add(&scene, name, &[&key]);
        assert!(!said.assert_code(5).err().is_empty());
    }
    assert_eq!(scene.mezctl.list(&["nodes", "ls"]).len(), 1);
}

#[test]
fn host_key_that_the_node_does_not_show_is_refused_with_both_fingerprints() {
    let scene = Scene::start();
    let other = scene.scratch.join("other");
    generate_key(&other, KeyType::Ed25519);
    let said = add(&scene, "db-1", &[&format!("--host-key={}", public_key(&other)), "--verify-host-key"]);
    let message = said.assert_code(5).err();
    assert!(message.contains(&fingerprint(&other)), "{message}");
    assert!(message.contains(&scene.sshd.fingerprint()), "{message}");
    scene.mezctl.run(&["nodes", "get", "db-1"]).assert_code(4);
    assert_mismatch(&scene, "db-1", &other);

    // Without the check it is taken as given; from a file as well as from the command line.
    let file = format!("--host-key-file={}", public_key_path(&other).display());
    add(&scene, "db-1", &[&file]).assert_ok();
}

/// The audit knows that the scene's node did not show `pinned`, and who had asked.
fn assert_mismatch(scene: &Scene, node: &str, pinned: &std::path::Path) {
    let event = assert_one_event(scene, "node.hostkey.mismatch", &[("node", node)]);
    assert_eq!(text(&event, "pinned"), fingerprint(pinned));
    assert_eq!(text(&event, "seen"), scene.sshd.fingerprint());
    assert_eq!(text(&event, "outcome"), "refused");
    assert!(event["actor"].is_u64(), "the operator at the socket: {event}");
}

#[test]
fn rotation_to_a_host_key_that_the_node_does_not_show_is_refused_and_audited() {
    let scene = Scene::start();
    let other = scene.scratch.join("other");
    generate_key(&other, KeyType::Ed25519);
    let before = scene.mezctl.json(&["nodes", "get", "node1"]);
    let key = format!("--host-key={}", public_key(&other));
    let said = scene.mezctl.run(&["nodes", "rotate-host-key", "node1", &key, "--verify-host-key"]);
    said.assert_code(5);
    assert_mismatch(&scene, "node1", &other);
    assert_eq!(scene.mezctl.json(&["nodes", "get", "node1"]), before);
    assert!(scene.mezctl.audit("node.hostkey.rotate").is_empty());
}

#[test]
fn node_that_cannot_be_reached_is_not_verified() {
    let scene = Scene::start();
    let silent = FakeNode::closing();
    let said = scene.mezctl.run(&[
        "nodes",
        "add",
        "--openssh",
        "--name=db-1",
        "--host=127.0.0.1",
        &format!("--port={}", silent.address().port()),
        &format!("--host-key={}", scene.sshd.host_key()),
        "--verify-host-key",
    ]);
    said.assert_code(6);
    scene.mezctl.run(&["nodes", "get", "db-1"]).assert_code(4);
}

#[test]
fn input_that_is_wrong_is_named_and_nothing_is_stored() {
    let scene = Scene::start();
    let key = format!("--host-key={}", scene.sshd.host_key());
    let private = std::fs::read_to_string(scene.sshd.host_key_path(KeyType::Ed25519)).unwrap();
    for (name, arguments) in [
        ("name", vec!["--name=../x", "--host=h", "--port=22", &key]),
        ("host", vec!["--name=x", "--host=user@h", "--port=22", &key]),
        ("port", vec!["--name=x", "--host=h", "--port=0", &key]),
        ("port", vec!["--name=x", "--host=h", "--port=65536", &key]),
        ("key", vec!["--name=x", "--host=h", "--port=22", "--host-key=ssh-ed25519 AAAA"]),
        ("label", vec!["--name=x", "--host=h", "--port=22", "--labels=a", &key]),
    ] {
        let mut all = vec!["nodes", "add", "--openssh"];
        all.extend(&arguments);
        let said = scene.mezctl.run(&all);
        let message = said.assert_code(2).err();
        assert!(message.to_lowercase().contains(name), "'{name}' is not in: {message}");
    }
    let said = scene.mezctl.run(&[
        "nodes",
        "add",
        "--openssh",
        "--name=x",
        "--host=h",
        &format!("--host-key={private}"),
    ]);
    said.assert_code(2);
    let secret = private.lines().nth(2).unwrap();
    assert!(!said.err().contains(secret) && !scene.gateway.log().contains(secret));
    assert_eq!(scene.mezctl.list(&["nodes", "ls"]).len(), 1);
}

#[test]
fn roles_are_read_strictly() {
    let scene = Scene::start();
    let bad = scene.scratch.write("bad.yaml", "kind: role\nmetadata:\n  name: bad\nspec:\n  alow: {}\n");
    let said = scene.mezctl.run(&["roles", "create", "-f", &bad.display().to_string()]);
    let message = said.assert_code(2).err();
    assert!(message.contains("alow") && message.contains('5'), "key and line: {message}");
    scene.mezctl.run(&["roles", "get", "bad"]).assert_code(4);

    let yaml = mezite_fixtures::Role { name: "piped".to_owned(), ..Default::default() }.yaml();
    scene.mezctl.run_with_input(&["roles", "create", "-f", "-"], yaml.as_bytes()).assert_ok();
    let role = scene.mezctl.json(&["roles", "get", "piped"]);
    assert_eq!(role["metadata"]["name"], "piped");
    let names: Vec<_> =
        scene.mezctl.list(&["roles", "ls"]).iter().map(|r| r["metadata"]["name"].clone()).collect();
    for name in ["admin", "auditor", "dev", "piped"] {
        assert!(names.contains(&name.into()), "{name} is not in {names:?}");
    }
    scene.mezctl.ok(&["roles", "rm", "piped"]);
    assert_one_event(&scene, "role.delete", &[]);
    // Built in, and in use.
    assert_ne!(scene.mezctl.run(&["roles", "rm", "admin"]).code, Some(0));
}

#[test]
fn explain_tells_why() {
    let scene = Scene::start();
    let allowed = scene.mezctl.run(&["access", "explain", "alice", &format!("{}@node1", scene.login)]);
    assert!(allowed.assert_ok().out().contains("dev"), "{}", allowed.out());
    let denied = scene.mezctl.run(&["access", "explain", "alice", "nosuch@node1"]);
    denied.assert_code(3);
    assert!(denied.out().contains("nosuch") || denied.err().contains("nosuch"), "{denied:?}");
    scene.mezctl.run(&["access", "explain", "nobody", "root@node1"]).assert_code(4);
}

#[test]
fn lists_come_as_text_json_and_yaml() {
    let scene = Scene::start();
    for list in [["nodes", "ls"], ["roles", "ls"], ["users", "ls"], ["recordings", "ls"], ["audit", "ls"]] {
        scene.mezctl.list(&list);
        for format in ["text", "yaml"] {
            let mut arguments = list.to_vec();
            arguments.extend(["--format", format]);
            let said = scene.mezctl.run(&arguments);
            assert!(said.assert_ok().err().is_empty(), "data on stdout, nothing else: {said:?}");
            assert!(!said.out().contains('\u{1b}'), "no colours into a pipe: {said:?}");
        }
    }
    assert!(scene.mezctl.ok(&["nodes", "ls"]).contains("node1"));
    assert!(scene.mezctl.ok(&["nodes", "get", "node1", "--format", "yaml"]).contains("hostname: node1"));
}

#[test]
fn certificate_is_what_was_asked_for_within_the_roles() {
    let scene = Scene::start();
    let shown = |path: &std::path::Path| {
        let shown = run(std::process::Command::new("ssh-keygen").arg("-Lf").arg(path));
        shown.assert_ok().out()
    };
    let certificate = shown(scene.identity.certificate.as_deref().unwrap());
    assert!(certificate.contains("user certificate"), "{certificate}");
    assert!(certificate.contains("Key ID: \"alice\""), "{certificate}");
    assert!(
        certificate.contains("permit-pty") && !certificate.contains("permit-agent-forwarding"),
        "{certificate}"
    );
    for principal in ["alice", scene.login] {
        assert!(certificate.lines().any(|line| line.trim() == principal), "{certificate}");
    }

    let out = scene.scratch.join("long-cert.pub");
    let mut sign = scene.mezctl.command(&["auth", "sign", "--user", "alice", "--ttl", "90d"]);
    let said = run(sign.arg("--key").arg(public_key_path(&scene.identity.key)).arg("--out").arg(&out));
    assert!(!said.assert_ok().err().is_empty(), "a ttl above the roles' is cut with a note");
    let unknown = scene.mezctl.run(&[
        "auth",
        "sign",
        "--user=nobody",
        &format!("--key={}", public_key_path(&scene.identity.key).display()),
        &format!("--out={}", scene.scratch.join("none").display()),
    ]);
    unknown.assert_code(4);
    assert!(!scene.scratch.join("none").exists());
    assert_eq!(scene.mezctl.audit("cert.issue").len(), 2);
}

#[test]
fn every_change_is_audited_once_with_its_operator() {
    let scene = Scene::start();
    let uid = run(std::process::Command::new("id").arg("-u")).out().trim().to_owned();
    scene.mezctl.ok(&["users", "add", "bob", "--roles=dev", "--logins=bob", "--trait", "team=db"]);
    scene.mezctl.ok(&["users", "update", "bob", "--set-roles=auditor"]);
    scene.mezctl.ok(&["users", "rm", "bob"]);
    scene.mezctl.ok(&["nodes", "update", "node1", "--labels=env=test,x=y"]);
    scene.mezctl.ok(&["nodes", "rm", "node1"]);
    for (kind, count) in [
        ("user.create", 2),
        ("user.update", 1),
        ("user.delete", 1),
        ("node.create", 1),
        ("node.update", 1),
        ("node.delete", 1),
        ("role.create", 1),
    ] {
        let events = scene.mezctl.audit(kind);
        assert_eq!(events.len(), count, "{kind}: {events:#?}");
        for event in &events {
            assert!(event["actor"].to_string().contains(&uid), "{event}");
        }
    }
}

#[test]
fn audit_filters_narrow_and_numbers_never_skip() {
    let scene = Scene::start();
    scene.ssh("true").assert_ok();
    eventually("the last event", || (!scene.mezctl.audit("connection.close").is_empty()).then_some(()));
    let all = scene.mezctl.list(&["audit", "ls"]);
    let mut numbers: Vec<u64> = all.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");

    for event in scene.mezctl.list(&["audit", "ls", "--user", "alice"]) {
        assert!(event.to_string().contains("alice"), "{event}");
    }
    for event in scene.mezctl.list(&["audit", "ls", "--node", "node1"]) {
        assert!(event.to_string().contains("node1"), "{event}");
    }
    let last = all.iter().max_by_key(|event| event["seq"].as_u64()).unwrap();
    let since = scene.mezctl.list(&["audit", "ls", "--since", text(last, "time")]);
    assert!((1..=2).contains(&since.len()), "{since:#?}");
    assert!(scene.mezctl.list(&["audit", "ls", "--type", "no.such"]).is_empty());
}

#[test]
fn status_and_a_missing_gateway() {
    let mut scene = Scene::start();
    let status = scene.mezctl.json(&["status"]);
    assert_eq!(status["cluster"], "test");
    assert_eq!(status["ready"], true);
    scene.gateway.stop();
    let said = scene.mezctl.run(&["status"]);
    assert!(
        said.assert_code(6).err().contains(&scene.mezctl.socket().display().to_string()),
        "{}",
        said.err()
    );
}

#[test]
fn usage_errors_are_two() {
    let scene = Scene::start();
    for arguments in
        [&["nodes"] as &[&str], &["nodes", "add"], &["no-such-command"], &["nodes", "ls", "--format", "xml"]]
    {
        scene.mezctl.run(arguments).assert_code(2);
    }
}

#[test]
fn exports_are_bare_public_keys_or_lines_for_known_hosts() {
    let scene = Scene::start();
    for kind in ["user", "openssh"] {
        let lines = scene.mezctl.ok(&["auth", "export", &format!("--type={kind}")]);
        assert!(lines.lines().all(|line| line.starts_with("ssh-ed25519 ")), "{kind}: {lines}");
    }
    let host = scene.mezctl.ok(&["auth", "export", "--type=host"]);
    assert!(host.contains("ssh-ed25519 "), "{host}");
    assert_ne!(
        scene.mezctl.ok(&["auth", "export", "--type=user"]),
        scene.mezctl.ok(&["auth", "export", "--type=openssh"])
    );
    let tls = scene.mezctl.ok(&["auth", "export", "--type=tls"]);
    assert_eq!(tls, std::fs::read_to_string(scene.gateway.tls_ca()).unwrap());
}
