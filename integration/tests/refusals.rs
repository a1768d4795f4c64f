//! Who is refused, and what they see: one line that says what happened, why, and what to do.

use mezite_fixtures::{
    Client, FakeNode, Identity, KeyType, Role, Scene, SceneOptions, Sshd, SshdOptions, Trust, Way,
    closed_port, eventually, generate_key, public_key_path, run,
};
use mezite_integration::{assert_one_event, assert_refused};

/// A client of alice with another certificate or none.
fn client_with(scene: &Scene, certificate: Option<std::path::PathBuf>) -> Client {
    let identity = Identity { key: scene.identity.key.clone(), certificate };
    Client::new(&scene.scratch, "other", &scene.gateway, &identity)
}

#[test]
fn plain_key_is_told_how_to_get_a_certificate() {
    let mut scene = Scene::start();
    let key = scene.scratch.join("plain");
    generate_key(&key, KeyType::Ed25519);
    let client = Client::new(&scene.scratch, "plain", &scene.gateway, &Identity { key, certificate: None });
    for way in [Way::Direct, Way::Connect] {
        let said = run(client.route(way, scene.login, "node1").ssh::<&str>(&[]).arg("true"));
        assert_refused(
            &said,
            &["access refused", "takes certificates of cluster test only", "msh login", "mezctl auth sign"],
        );
    }
    assert_eq!(scene.sshd.connections(), 0);
    eventually("both events", || (scene.mezctl.audit("auth.fail").len() == 2).then_some(()));
    scene.assert_alive();
}

#[test]
fn login_that_no_role_allows_is_refused_with_a_hint() {
    let mut scene = Scene::start();
    let said = run(scene.client.route(Way::Direct, "nosuch", "node1").ssh::<&str>(&[]).arg("true"));
    let text = "mezite: access refused: alice may not log in as nosuch on node1. \
                Ask an administrator ('mezctl access explain alice nosuch@node1')";
    assert_refused(&said, &[text]);
    assert_eq!(scene.sshd.connections(), 0);
    assert_one_event(&scene, "access.refuse", &[("actor", "alice"), ("login", "nosuch"), ("node", "node1")]);
    scene.assert_alive();
}

#[test]
fn unknown_and_hidden_nodes_look_alike() {
    let scene = Scene::start();
    scene.mezctl.ok(&["nodes", "update", "node1", "--labels=env=other"]);
    let refusal = |node: &str| {
        let said = run(scene.client.route(Way::Direct, scene.login, node).ssh::<&str>(&[]).arg("true"));
        assert_refused(&said, &["access refused", "may not log in as"]);
        let text = said.err().replace(node, "NODE");
        // The connection has a number of its own.
        text.lines()
            .map(|line| line.split(" [conn ").next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(refusal("node1"), refusal("nodex"));
    assert_eq!(scene.sshd.connections(), 0);
}

#[test]
fn role_that_is_narrowed_refuses_the_next_connection() {
    let scene = Scene::start();
    scene.ssh("true").assert_ok();
    scene.mezctl.ok(&["users", "add", "bob", "--roles", "dev"]);
    scene.role(&Role {
        name: "nothing".to_owned(),
        node_labels: "{env: none}".to_owned(),
        ..Role::default()
    });
    scene.mezctl.ok(&["users", "update", "alice", "--set-roles=nothing"]);
    assert_refused(&scene.ssh("true"), &["access refused"]);
    scene.mezctl.ok(&["users", "update", "alice", "--set-roles=dev"]);
    scene.ssh("true").assert_ok();
    scene.mezctl.ok(&["users", "rm", "alice"]);
    scene.ssh("true").assert_code(255);
}

#[test]
fn expired_certificate_is_named_with_both_times() {
    let scene = Scene::start();
    let out = scene.scratch.join("short-cert.pub");
    let mut sign = scene.mezctl.command(&["auth", "sign", "--user", "alice", "--ttl", "1s"]);
    run(sign.arg("--key").arg(public_key_path(&scene.identity.key)).arg("--out").arg(&out)).assert_ok();
    let client = client_with(&scene, Some(out));
    let route = client.route(Way::Direct, scene.login, "node1");
    let said = eventually("the certificate to expire", || {
        let said = run(route.ssh::<&str>(&[]).arg("true"));
        (said.code == Some(255)).then_some(said)
    });
    assert_refused(&said, &["your certificate expired at 20", "this gateway's clock says 20"]);
    assert!(!scene.mezctl.audit("cert.refuse").is_empty());
}

#[test]
fn node_that_refuses_the_login_is_named() {
    let mut scene = Scene::with(SceneOptions { trust: Trust::Nobody, ..SceneOptions::default() });
    let said = scene.ssh("true");
    let text = format!("node1 refused login {}: it does not trust the cluster's CA", scene.login);
    assert_refused(&said, &[&text, "TrustedUserCAKeys"]);
    // Once it trusts, it is reached at once: no memory of the refusal stands in the way for long.
    scene.sshd.trust(&scene.mezctl.ok(&["auth", "export", "--type=openssh"]));
    eventually("the node to be reached", || (scene.ssh("true").code == Some(0)).then_some(()));
    scene.assert_alive();
}

#[test]
fn mismatching_host_key_ends_before_any_credential_is_sent() {
    let mut scene = Scene::start();
    let pinned = scene.sshd.fingerprint();
    scene.sshd.replace_host_key();
    let said = scene.ssh("true");
    let seen = scene.sshd.fingerprint();
    assert_refused(
        &said,
        &["refused to connect to node1", &pinned, &seen, "mezctl nodes rotate-host-key node1"],
    );
    assert_eq!(scene.sshd.count("userauth-request"), 0);
    assert_eq!(scene.sshd.accepted(), 0);
    let event = assert_one_event(&scene, "node.hostkey.mismatch", &[("node", "node1")]).to_string();
    assert!(event.contains(&pinned) && event.contains(&seen), "{event}");

    scene.mezctl.ok(&["nodes", "rotate-host-key", "node1", &format!("--host-key={}", scene.sshd.host_key())]);
    scene.ssh("true").assert_ok();
    assert_one_event(&scene, "node.hostkey.rotate", &[]);
}

/// Adds a node at `address` with the host key of the scene's sshd.
fn add_node_at(scene: &Scene, name: &str, address: std::net::SocketAddr) {
    scene.mezctl.ok(&[
        "nodes",
        "add",
        "--openssh",
        &format!("--name={name}"),
        &format!("--host={}", address.ip()),
        &format!("--port={}", address.port()),
        "--labels=env=test",
        &format!("--host-key={}", scene.sshd.host_key()),
    ]);
}

#[test]
fn unreachable_node_is_named_with_its_cause() {
    let mut scene = Scene::start();
    let address = closed_port();
    add_node_at(&scene, "gone", address);
    let said = run(scene.client.route(Way::Direct, scene.login, "gone").ssh::<&str>(&[]).arg("true"));
    let cause = format!("cannot reach gone: connection refused by {address}");
    assert_refused(&said, &[&cause, "mezctl nodes get gone"]);
    scene.assert_alive();
}

#[test]
fn nodes_that_are_no_ssh_servers_are_named() {
    let mut scene = Scene::start();
    let nodes = [
        ("closing", FakeNode::closing()),
        ("old", FakeNode::saying(b"SSH-1.5-old\r\n".to_vec())),
        ("web", FakeNode::saying(b"HTTP/1.1 400 Bad Request\r\n\r\n".repeat(2000))),
    ];
    for (name, node) in &nodes {
        add_node_at(&scene, name, node.address());
        let said = run(scene.client.route(Way::Direct, scene.login, name).ssh::<&str>(&[]).arg("true"));
        assert_refused(&said, &[name]);
        assert!(node.connections() >= 1);
    }
    scene.assert_alive();
}

#[test]
fn host_certificate_proves_the_name_that_was_asked_for() {
    let scene = Scene::start();
    // The known_hosts file has nothing but the cluster's Host CA, and unknown keys are refused: both ways in work
    // only because the gateway shows a certificate for its own name, and for the node's.
    for way in [Way::Direct, Way::Connect] {
        run(scene.route_by(way).ssh::<&str>(&[]).arg("true")).assert_ok();
    }
    let strange = scene.scratch.write("strange_hosts", "");
    let option = format!("UserKnownHostsFile={}", strange.display());
    run(scene.route().ssh(&["-o", &option]).arg("true")).assert_code(255);
}

#[test]
fn a_host_certificate_counts_beside_pinned_keys_where_the_node_says_so() {
    let mut scene = Scene::start();
    let key = public_key_path(&scene.sshd.host_key_path(KeyType::Ed25519));
    let certificate = key.with_file_name("host-cert.pub");
    let certify = |scene: &mut Scene, name: &str| {
        let (key, out) = (format!("--key={}", key.display()), format!("--out={}", certificate.display()));
        scene.mezctl.ok(&["auth", "sign", &format!("--host={name}"), "--format=openssh", &key, &out]);
        scene.sshd.configure(&[&format!("HostCertificate {}", certificate.display())]);
    };
    certify(&mut scene, "NODE1");
    scene.ssh("true").assert_ok();
    let other = scene.scratch.join("other");
    generate_key(&other, KeyType::Ed25519);
    let pin = format!("--host-key-file={}", public_key_path(&other).display());
    scene.mezctl.ok(&["nodes", "rotate-host-key", "node1", &pin]);
    assert_refused(&scene.ssh("true"), &["is not the pinned SHA256:"]);
    scene.mezctl.ok(&["nodes", "update", "node1", "--host-ca=true"]);
    scene.ssh("true").assert_ok();
    let rotation = &scene.mezctl.audit("node.hostkey.rotate")[1];
    assert_eq!(rotation["new"][1], "host-ca", "{rotation}");
    certify(&mut scene, "elsewhere");
    assert_refused(&scene.ssh("true"), &["or certificate of the cluster's Host CA"]);
    scene.mezctl.ok(&["nodes", "rotate-host-key", "node1", &format!("--host-key={}", scene.sshd.host_key())]);
    // Pinned, and it shows a certificate that is not for it: sshd offers both, and what is shown must be right.
    assert_refused(&scene.ssh("true"), &["refused to connect to node1"]);
    scene.sshd.configure(&[]);
    scene.ssh("true").assert_ok();
}

#[test]
fn several_pinned_keys_let_either_of_two_hosts_in() {
    let scene = Scene::start();
    let mut other = Sshd::start(&scene.scratch, "other", &SshdOptions::default());
    other.trust(&scene.mezctl.ok(&["auth", "export", "--type=openssh"]));
    let both = scene.scratch.write("both", format!("{}\n{}\n", scene.sshd.host_key(), other.host_key()));
    scene.mezctl.ok(&["nodes", "rotate-host-key", "node1", &format!("--host-key-file={}", both.display())]);
    scene.ssh("true").assert_ok();
    let fingerprints = scene.mezctl.json(&["nodes", "get", "node1"]).to_string();
    for sshd in [&scene.sshd, &other] {
        let key = sshd.host_key();
        let blob = key.split(' ').nth(1).unwrap();
        assert!(fingerprints.contains(blob) || fingerprints.contains(&sshd.fingerprint()), "{fingerprints}");
    }
}
