//! The main job: what stock `ssh`, `scp` and `sftp` do through the gateway is what they do without it.

use mezite_fixtures::{KeyType, Scene, SceneOptions, SshdOptions, Trust, Way, account, run, run_with_input};
use mezite_integration::{assert_one_event, noise, read};

#[test]
fn streams_and_exit_status_are_the_nodes() {
    let mut scene = Scene::start();
    scene.ssh("true").assert_ok();

    let input = noise(1 << 20, 1);
    let mut command = scene.route().ssh::<&str>(&[]);
    let said = run_with_input(command.arg("cat; echo on stderr >&2; exit 7"), &input);
    said.assert_code(7);
    assert!(said.stdout == input, "1 MiB comes back as {} bytes, or others", said.stdout.len());
    assert_eq!(said.err(), "on stderr\n");

    // ssh reports a signal as its own failure.
    scene.ssh("kill -TERM $$").assert_code(255);
    let user = scene.ssh("id -un").out();
    assert_eq!(user.trim_end(), account::login());
    scene.assert_alive();
}

#[test]
fn output_that_is_still_queued_arrives_before_the_status() {
    let scene = Scene::start();
    let said = scene.ssh("head -c 10485760 /dev/zero; exit 5");
    said.assert_code(5);
    assert_eq!(said.stdout.len(), 10 << 20);
}

#[test]
fn end_of_input_leaves_the_output_open() {
    let scene = Scene::start();
    let mut command = scene.route().ssh::<&str>(&[]);
    // sort says nothing before its input has ended.
    let said = run_with_input(command.arg("sort; echo more"), b"b\na\n");
    assert_eq!(said.assert_ok().out(), "a\nb\nmore\n");
}

#[test]
fn all_ways_lead_to_the_same_node() {
    let scene = Scene::start();
    for way in Way::ALL {
        let route = scene.route_by(way);
        let said = run(route.ssh::<&str>(&[]).arg("echo $SSH_CONNECTION; exit 4"));
        assert!(said.assert_code(4).out().contains("127.0.0.1"), "{way:?}: {said:?}");
    }
    assert_eq!(scene.sshd.accepted(), 4);
}

#[test]
fn node_that_trusts_either_ca_is_reached() {
    for trust in [Trust::OpenSsh, Trust::User] {
        let scene = Scene::with(SceneOptions { trust, ..SceneOptions::default() });
        scene.ssh("true").assert_ok();
        // The second time it is known which CA opens this node: nothing is tried in vain.
        let before = scene.sshd.count("Failed publickey");
        scene.ssh("true").assert_ok();
        assert_eq!(scene.sshd.count("Failed publickey"), before, "{trust:?}");
    }
}

#[test]
fn certificate_for_the_node_is_the_gateways_own() {
    let scene = Scene::start();
    scene.ssh("true").assert_ok();
    let log = scene.sshd.log();
    let line = log.lines().find(|line| line.contains("Accepted publickey")).unwrap();
    for part in ["ED25519-CERT", "user=alice", &format!("login={}", scene.login), "node=node1", "conn="] {
        assert!(line.contains(part), "'{part}' is not in: {line}");
    }
    // A person's own certificate opens nothing where the node trusts only the OpenSSH CA.
    let mut direct = std::process::Command::new("ssh");
    direct.args(["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
    direct.args(["-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-p", &scene.sshd.port().to_string()]);
    direct.arg("-i").arg(&scene.identity.key).arg(format!("{}@127.0.0.1", scene.login)).arg("true");
    run(&mut direct).assert_code(255);
}

#[test]
fn scp_copies_both_ways_with_both_protocols() {
    let scene = Scene::start();
    let content = noise(3 << 20, 2);
    let source = scene.scratch.write("source", &content);
    let folder = scene.scratch.shared_folder("node");
    for (options, name) in [(&[] as &[&str], "by-sftp"), (&["-O"], "by-scp")] {
        let route = scene.route();
        let (there, back) = (folder.join(name), scene.scratch.join(format!("{name}-back")));
        run(route.scp(options).arg(&source).arg(route.remote(&there))).assert_ok();
        assert!(read(&there) == content, "{name}: upload differs");
        run(route.scp(options).arg(route.remote(&there)).arg(&back)).assert_ok();
        assert!(read(&back) == content, "{name}: download differs");
    }
    let missing = scene.route().remote(&folder.join("missing"));
    let said = run(scene.route().scp::<&str>(&[]).arg(missing).arg(scene.scratch.join("nothing")));
    assert_ne!(said.code, Some(0));
}

#[test]
fn sftp_works_a_batch_off() {
    let scene = Scene::start();
    let content = noise(100_000, 3);
    let source = scene.scratch.write("source", &content);
    let folder = scene.scratch.shared_folder("node");
    let (there, back) = (folder.join("file"), scene.scratch.join("back"));
    let batch = scene.scratch.write(
        "batch",
        format!(
            "put {} {there}\nrename {there} {there}2\nget {there}2 {}\nls {}\nrm {there}2\n",
            source.display(),
            back.display(),
            folder.display(),
            there = there.display()
        ),
    );
    let said = run(&mut scene.route().sftp(&batch));
    assert!(said.assert_ok().out().contains("file2"), "{}", said.out());
    assert!(read(&back) == content);
    assert_eq!(folder.read_dir().unwrap().count(), 0);
}

#[test]
fn shell_has_the_terminal_that_was_asked_for() {
    if !account::has_pty() {
        eprintln!("not run: sshd of an ordinary user gives no pty on this machine");
        return;
    }
    let scene = Scene::start();
    let mut command = scene.route().ssh(&["-tt"]);
    command.env("TERM", "vt102");
    let said = run_with_input(&mut command, b"tty; echo term=$TERM; exit 9\n");
    let screen = said.assert_code(9).out();
    assert!(screen.contains("/dev/pts/"), "{screen}");
    assert!(screen.contains("term=vt102"), "{screen}");
}

#[test]
fn exec_with_a_terminal_and_long_commands_arrive_whole() {
    let scene = Scene::start();
    let word = "x".repeat(60_000);
    let said = scene.ssh(&format!("printf %s {word} | wc -c"));
    assert_eq!(said.assert_ok().out().trim(), "60000");
}

#[test]
fn any_pinned_host_key_type_is_enough() {
    let types = [KeyType::Ed25519, KeyType::EcdsaP256, KeyType::EcdsaP384, KeyType::EcdsaP521, KeyType::Rsa];
    for kind in types {
        let sshd = SshdOptions { host_keys: vec![kind], ..SshdOptions::default() };
        let scene = Scene::with(SceneOptions { sshd, ..SceneOptions::default() });
        assert_eq!(scene.ssh("echo ok").assert_ok().out(), "ok\n", "{kind:?}");
    }
}

#[test]
fn connection_is_in_the_audit_log_from_open_to_close() {
    let scene = Scene::start();
    scene.ssh("echo twelve bytes").assert_ok();
    let (login, node) = (scene.login, "node1");
    let open =
        assert_one_event(&scene, "connection.open", &[("actor", "alice"), ("login", login), ("node", node)]);
    let conn = mezite_integration::text(&open, "conn").to_owned();
    assert_one_event(
        &scene,
        "session.start",
        &[("conn", &conn), ("kind", "exec"), ("command", "echo twelve bytes")],
    );
    mezite_fixtures::eventually("connection.close", || {
        scene
            .mezctl
            .audit("connection.close")
            .iter()
            .any(|event| event["conn"] == conn.as_str())
            .then_some(())
    });
    assert_one_event(&scene, "session.end", &[("conn", &conn)]);
    assert_eq!(scene.mezctl.audit("access.refuse").len(), 0);
}
