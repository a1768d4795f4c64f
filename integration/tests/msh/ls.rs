//! What people and machines see of the nodes, and what they do not.

use std::process::Command;

use mezite_fixtures::{Scene, program, run};
use serde_json::Value;

use mezite_integration::person::Person;

/// A scene with a node that nobody's role is about, and with somebody who has logged in.
fn scene() -> Scene {
    let scene = Scene::start();
    let node = |name: &str, labels: &str| {
        let key = scene.mezctl.json(&["nodes", "get", "node1"])["spec"]["host_keys"][0].clone();
        let (key, labels) = (format!("--host-key={}", key.as_str().unwrap()), format!("--labels={labels}"));
        scene.mezctl.ok(&[
            "nodes",
            "add",
            "--openssh",
            &format!("--name={name}"),
            "--host=127.0.0.9",
            &labels,
            &key,
        ]);
    };
    let long = "Ä".repeat(100);
    node("hidden", "env=secret");
    node("wide", &format!("env=wide,note={long}"));
    let role = "kind: role\nmetadata: {name: few}\nspec:\n  allow: {node_labels: {env: wide}, logins: [deploy, '{{internal.logins}}']}\n";
    let role = scene.scratch.write("few.yaml", role);
    scene.mezctl.ok(&["create", "-f", role.to_str().unwrap()]);
    scene
}

fn person<'a>(scene: &'a Scene, name: &str) -> Person<'a> {
    let added = scene.mezctl.json(&["users", "add", name, "--roles=few", "--logins=ops"]);
    let mut person = Person::with_token(scene, name, added["setup"]["token"].as_str().unwrap());
    person.login(&[]).assert_ok();
    person
}

#[test]
fn hostile_008_people_see_what_they_can_reach_and_nothing_else() {
    let scene = scene();
    let bob = person(&scene, "bob");
    let listed = bob.msh.run(&["ls", "--format=json"]).assert_ok().out();
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(
        (&listed[0]["name"], &listed[0]["logins"]),
        (&"wide".into(), &serde_json::json!(["deploy", "ops"]))
    );
    assert!(listed[0].get("addr").is_none() && !format!("{listed:?}").contains("127.0.0.9"));
    for (option, count) in
        [("--labels=env=wide", 1), ("--labels=env=secret", 0), ("--search=WID", 1), ("--search=hidden", 0)]
    {
        let listed = bob.msh.run(&["ls", "--format=json", option]).assert_ok().out();
        assert_eq!(serde_json::from_str::<Vec<Value>>(&listed).unwrap().len(), count, "{option}");
    }
    // Everything else still takes a rule.
    bob.msh.run(&["play", "00000000-0000-4000-8000-000000000000"]).assert_code(3);
    scene.mezctl.ok(&["locks", "add", "--user=bob", "--message=call 4711"]);
    assert!(bob.msh.run(&["ls"]).assert_code(3).err().contains("call 4711"));
}

#[test]
fn hostile_084_a_node_is_one_line() {
    let scene = scene();
    let bob = person(&scene, "bob");
    let listed = bob.msh.run(&["ls"]).assert_ok().out();
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(
        lines[0].starts_with("NAME") && lines[1].starts_with("wide  deploy,ops  env=wide,note=Ä"),
        "{listed}"
    );
    for option in ["--labels=a\u{1b}[31m", "--search=\u{1b}[31m\u{202e}", "--format=\u{1b}[31m"] {
        let said = bob.msh.run(&["ls", option]);
        let bytes = [said.stdout.clone(), said.stderr.clone()].concat();
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    }
}

#[test]
fn a_session_is_played_to_whoever_has_the_rule() {
    let scene = scene();
    scene.ssh("echo to be seen").assert_ok();
    let session = mezite_integration::recordings(&scene, 1)[0]["session"].as_str().unwrap().to_owned();
    let added = scene.mezctl.json(&["users", "add", "root", "--roles=auditor"]);
    let mut root = Person::with_token(&scene, "root", added["setup"]["token"].as_str().unwrap());
    root.msh.run(&["ls"]).assert_code(4);
    root.msh.run(&["ls", "--proxy", &mezite_integration::person::proxy(&scene)]).assert_code(4);
    root.login(&["--ttl=1s"]).assert_ok();
    mezite_fixtures::eventually("the end of the certificate", || {
        let listed = root.msh.run(&["ls"]);
        (listed.code == Some(3) && listed.err().contains("has expired")).then_some(())
    });
    root.login(&[]).assert_ok();
    let played = root.msh.run(&["play", &session]).assert_ok().out();
    assert!(played.contains("to be seen"), "{played}");
    assert_eq!(root.msh.run(&["ls", "--format=json"]).assert_ok().out().trim(), "[]");
}

#[test]
fn machines_list_what_they_can_reach() {
    let scene = scene();
    let token = scene.mezctl.json(&["bots", "add", "--name=robot", "--roles=few"])["token"].clone();
    let token = scene.scratch.write("token", token.as_str().unwrap());
    let folder = scene.scratch.join("robot");
    let mut mezd = Command::new(program("mezd"));
    mezd.args([
        "identity",
        "start",
        "--one-shot",
        "--auth-server",
        &mezite_integration::person::proxy(&scene),
    ]);
    mezd.arg("--join-token").arg(format!("@{}", token.display())).arg("--destination").arg(&folder);
    let pin = scene.mezctl.json(&["status"])["ca_pin"].as_str().unwrap().to_owned();
    run(mezd.args(["--ca-pin", &pin])).assert_ok();
    let (_, msh) = mezite_integration::person::home(&scene, "machine");
    let listed = run(msh.command(&["ls", "--format=yaml"]).env("MSH_IDENTITY", &folder)).assert_ok().out();
    assert!(listed.contains("wide") && listed.contains("deploy") && !listed.contains("hidden"), "{listed}");
}
