//! `mezctl` from somewhere else: the same as at the socket.

use std::path::Path;
use std::process::Command;

use mezite_fixtures::{Finished, Scene, program, run};
use serde_json::Value;

use crate::{credentials, with_root};

/// `mezctl --server`, in an environment of its own.
fn remote(scene: &Scene, identity: Option<&Path>, arguments: &[&str]) -> Finished {
    let mut command = Command::new(program("mezctl"));
    command.env_clear().arg("--server").arg(format!("localhost:{}", scene.gateway.https().port()));
    if let Some(identity) = identity {
        command.arg("--identity").arg(identity);
    }
    run(command.args(arguments))
}

#[test]
fn everything_is_as_it_is_at_the_socket() {
    let (mut scene, root) = with_root();
    for arguments in [
        &["nodes", "ls"][..],
        &["nodes", "get", "node1"],
        &["roles", "ls"],
        &["users", "get", "alice"],
        &["locks", "ls"],
        &["recordings", "ls"],
        &["audit", "ls", "--type", "user.create"],
    ] {
        let all = [arguments, &["--format", "json"]].concat();
        let here = scene.mezctl.run(&all);
        let there = remote(&scene, Some(&root), &all);
        assert_eq!(there.code, here.code, "{arguments:?}: {there:?}");
        assert_eq!(there.out(), here.out(), "{arguments:?}");
    }
    remote(&scene, Some(&root), &["users", "add", "bob", "--roles=auditor"]).assert_ok();
    let event = scene.mezctl.audit("user.create").pop().unwrap();
    assert_eq!((&event["actor"], &event["subject"]), (&"root".into(), &"bob".into()));
    assert_eq!(event["code"], "MEZ3201I");
    assert!(event["source"].as_str().unwrap().starts_with("127.0.0.1:"), "who did it was there: {event}");
    scene.assert_alive();
}

#[test]
fn who_has_no_right_is_refused_with_3() {
    let (scene, _) = with_root();
    let alice = credentials(&scene, "alice", "1h");
    let refused = remote(&scene, Some(&alice), &["users", "ls"]);
    refused.assert_code(3);
    assert!(refused.err().contains("no rule for list user"), "{}", refused.err());
    let nobody = remote(&scene, None, &["users", "ls"]);
    nobody.assert_code(3);
    assert!(nobody.err().contains("msh login"), "{}", nobody.err());
}

#[test]
fn the_gateway_must_prove_itself_before_anything_is_sent() {
    let (scene, root) = with_root();
    let pin = scene.mezctl.json(&["status"])["ca_pin"].as_str().unwrap().to_owned();
    assert_eq!(pin.len(), 7 + 64);
    let ls = ["nodes", "ls"];
    remote(&scene, Some(&root), &[&["--ca-pin", &pin], &ls[..]].concat()).assert_ok();
    let other = format!("sha256:{}", "0".repeat(64));
    let refused = remote(&scene, Some(&root), &[&["--ca-pin", &other], &ls[..]].concat());
    refused.assert_code(6);
    assert!(
        refused.err().contains("does not prove") && refused.err().contains("--ca-pin"),
        "{}",
        refused.err()
    );
    // With the pin the CA file is not needed; without both the system's CAs do not know this one.
    std::fs::remove_file(format!("{}.cas", root.display())).unwrap();
    remote(&scene, Some(&root), &[&["--ca-pin", &pin], &ls[..]].concat()).assert_ok();
    remote(&scene, Some(&root), &ls).assert_code(6);
    let malformed = remote(&scene, Some(&root), &[&["--ca-pin", "sha256:0"], &ls[..]].concat());
    malformed.assert_code(2);
}

#[test]
fn a_folder_and_a_profile_serve_as_a_prefix_does() {
    let (scene, root) = with_root();
    let file = |ending: &str| format!("{}{ending}", root.display());
    let config = scene.scratch.join("config");
    let port = scene.gateway.https().port();
    let folder = config.join(format!("mezite/profiles/localhost_{port}"));
    std::fs::create_dir_all(&folder).unwrap();
    for (from, to) in [(".crt", "tls_cert.pem"), (".key", "tls_key.pem"), (".cas", "tls_ca.pem")] {
        std::fs::copy(file(from), folder.join(to)).unwrap();
    }
    remote(&scene, Some(&folder), &["nodes", "ls"]).assert_ok();
    let mut by_profile = Command::new(program("mezctl"));
    by_profile.env_clear().env("XDG_CONFIG_HOME", &config).env("MEZCTL_SERVER", format!("localhost:{port}"));
    let listed = run(by_profile.args(["nodes", "ls", "--format=json"])).assert_ok().out();
    assert!(serde_json::from_str::<Vec<Value>>(&listed).is_ok_and(|nodes| nodes.len() == 1), "{listed}");
}

#[test]
fn a_key_that_others_may_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let (scene, root) = with_root();
    let key = format!("{}.key", root.display());
    let mode = std::fs::metadata(&key).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = remote(&scene, Some(&root), &["nodes", "ls"]);
    refused.assert_code(2);
    assert!(refused.err().contains(&key) && refused.err().contains("0600"), "{}", refused.err());
}

#[test]
fn one_key_serves_ssh_and_the_api() {
    let (scene, _) = with_root();
    let alice = credentials(&scene, "alice", "1h");
    let key = format!("{}.key", alice.display()).into();
    let certificate = Some(format!("{}.key-cert.pub", alice.display()).into());
    let identity = mezite_fixtures::Identity { key, certificate };
    let client = mezite_fixtures::Client::new(&scene.scratch, "with-tls", &scene.gateway, &identity);
    let route = client.route(mezite_fixtures::Way::Direct, scene.login, "node1");
    run(route.ssh::<&str>(&[]).arg("true")).assert_ok();
}

#[test]
fn documents_need_the_rights_that_they_use() {
    let (scene, root) = with_root();
    let rules = "{allow: {rules: [{resources: [node], verbs: [create]}]}}";
    let role =
        scene.scratch.write("role.yaml", format!("kind: role\nmetadata: {{name: enrol}}\nspec: {rules}\n"));
    remote(&scene, Some(&root), &["apply", "-f", &role.display().to_string()]).assert_ok();
    scene.mezctl.ok(&["users", "add", "bob", "--roles=enrol"]);
    let bob = credentials(&scene, "bob", "1h");
    let node = "kind: node\nspec: {addr: '10.0.0.7:22', hostname: db-1}\n";
    let node = scene.scratch.write("node.yaml", node).display().to_string();
    let as_bob = |verb: &str| remote(&scene, Some(&bob), &[verb, "-f", &node]);
    as_bob("apply").assert_code(3);
    as_bob("create").assert_ok();
    as_bob("create").assert_code(5);
    as_bob("rm").assert_code(3);
    let event = scene.mezctl.audit("node.create").pop().unwrap();
    assert_eq!((&event["actor"], &event["code"]), (&"bob".into(), &"MEZ3001I".into()));
    assert!(event["source"].as_str().unwrap().starts_with("127.0.0.1:"), "{event}");
}
