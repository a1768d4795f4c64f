//! `mezctl nodes check`.

use mezite_fixtures::{KeyType, Scene, SceneOptions, SshdOptions, Trust};

fn scene(trust: Trust) -> Scene {
    let sshd =
        SshdOptions { host_keys: vec![KeyType::Ed25519, KeyType::EcdsaP256], ..SshdOptions::default() };
    Scene::with(SceneOptions { trust, sshd, ..SceneOptions::default() })
}

#[test]
fn what_is_seen_of_a_node_is_kept_apart_from_what_is_configured() {
    let scene = scene(Trust::OpenSsh);
    let before = scene.mezctl.json(&["nodes", "get", "node1"]);
    let seen = scene.mezctl.json(&["nodes", "check", "node1", "--login", scene.login]);
    assert_eq!(seen["ok"], true);
    assert_eq!((&seen["trusts_openssh"], &seen["trusts_user"]), (&"yes".into(), &"no".into()), "{seen}");
    assert!(seen["software"].as_str().unwrap().contains("OpenSSH"));
    assert_eq!(seen["algorithms"]["host_key"], "ssh-ed25519");
    assert!(seen["latency_ms"].is_u64());
    let keys = seen["host_keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "{seen}");
    assert_eq!((&keys[0]["pinned"], &keys[1]["pinned"]), (&true.into(), &false.into()));
    assert_eq!(seen["bypass"], false);
    let after = scene.mezctl.json(&["nodes", "get", "node1"]);
    assert_eq!((&before["spec"], &before["metadata"]), (&after["spec"], &after["metadata"]));
    assert_eq!(after["status"]["seen"]["check"]["trusts_openssh"], "yes");
    // A connection later keeps what the check has found.
    scene.ssh("true").assert_ok();
    let after = scene.mezctl.json(&["nodes", "get", "node1"]);
    assert_eq!(after["status"]["seen"]["check"]["trusts_openssh"], "yes");
    // Nobody was let in for it.
    assert_eq!(scene.sshd.accepted(), 1);
}

#[test]
fn hostile_029_a_node_that_trusts_the_user_ca_is_said_to_be_open_to_users() {
    let scene = scene(Trust::User);
    let said = scene.mezctl.run(&["nodes", "check", "node1", "--login", scene.login]);
    assert!(said.assert_ok().err().contains("past the gateway"), "{}", said.err());
    let seen = scene.mezctl.json(&["nodes", "check", "node1", "--login", scene.login]);
    assert_eq!((&seen["trusts_openssh"], &seen["trusts_user"]), (&"no".into(), &"yes".into()));
    assert_eq!(seen["bypass"], true);
    assert_eq!(scene.sshd.accepted(), 0);
}

#[test]
fn trust_is_unknown_where_nothing_proves_it() {
    let mut scene = scene(Trust::Nobody);
    for login in [&["--login", scene.login][..], &["--login", "nobody-of-this-name"], &[]] {
        let mut all = vec!["nodes", "check", "node1"];
        all.extend(login);
        let seen = scene.mezctl.json(&all);
        assert_eq!((&seen["trusts_openssh"], &seen["trusts_user"]), (&"unknown".into(), &"unknown".into()));
    }
    // A login that was let in once is known.
    scene.sshd.trust(&scene.mezctl.ok(&["auth", "export", "--type=openssh"]));
    scene.ssh("true").assert_ok();
    let seen = scene.mezctl.json(&["nodes", "check", "node1"]);
    assert_eq!((&seen["trusts_openssh"], &seen["login"]), (&"yes".into(), &scene.login.into()));
}

#[test]
fn hostile_007_a_node_with_another_host_key_is_shown_no_certificate() {
    let mut scene = scene(Trust::OpenSsh);
    scene.sshd.replace_host_key();
    let said = scene.mezctl.run(&["nodes", "check", "node1", "--login", scene.login, "--format=json"]);
    let seen: serde_json::Value = serde_json::from_str(&said.assert_code(5).out()).unwrap();
    assert_eq!((&seen["ok"], &seen["trusts_openssh"]), (&false.into(), &"unknown".into()));
    assert!(seen["error"].as_str().unwrap().contains("is not the pinned"), "{seen}");
    assert!(seen["host_keys"].as_array().unwrap().iter().all(|key| key["pinned"] == false));
    assert_eq!(scene.mezctl.audit("node.hostkey.mismatch").len(), 1);
    assert_eq!(scene.sshd.count("userauth-request"), 0);
}

#[test]
fn all_nodes_are_looked_at_together() {
    let mut scene = scene(Trust::OpenSsh);
    for n in 0..5 {
        scene.mezctl.ok(&[
            "nodes",
            "add",
            "--openssh",
            &format!("--name=away{n}"),
            "--host=127.0.0.1",
            "--port=1",
        ]);
    }
    let said = scene.mezctl.run(&["nodes", "check", "--all"]);
    let text = said.assert_code(6).out();
    assert_eq!(text.lines().count(), 7, "{text}");
    assert!(text.lines().filter(|line| line.contains("connection refused")).count() == 5, "{text}");
    let said = scene.mezctl.run(&["nodes", "check", "--all", "--labels=env=test", "--format=json"]);
    let seen: Vec<serde_json::Value> = serde_json::from_str(&said.assert_ok().out()).unwrap();
    assert_eq!((seen.len(), &seen[0]["name"]), (1, &"node1".into()));
    scene.assert_alive();
}
