//! `docs/manual/troubleshooting.md`: each failure that it lists is produced, its line is the one of the page, and its cure
//! works.

// What cannot be set up must end the test.
#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::thread;

use mezite_fixtures::{
    Client, Finished, Identity, KeyType, RawClient, Role, Scene, SceneOptions, SshdOptions, Trust, Way,
    closed_port, eventually, generate_key, repository, run,
};
use mezite_integration::{assert_one_event, text};

/// The failures that are produced here: all that the page has.
const FAILURES: [&str; 7] = [
    "Nothing listens",
    "The host key has changed",
    "The node does not let the login in",
    "The node is full",
    "Roles do not allow it",
    "There is no certificate",
    "The address is that of several nodes",
];

/// The name of the node, as on the page.
const NODE: &str = "db-legacy-01";

/// Headings and texts of the page.
fn page() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(repository().join("docs/manual/troubleshooting.md")).unwrap();
    let sections = page.split("\n## ").skip(1);
    sections
        .map(|section| section.split_once('\n').unwrap())
        .map(|(title, text)| (title.to_owned(), text.to_owned()))
        .collect()
}

#[test]
fn each_failure_of_the_page_is_produced_here() {
    let titles: Vec<_> = page().into_iter().map(|(title, _)| title).collect();
    assert_eq!(titles, FAILURES);
}

/// A scene with the node of the page, on the scene's sshd.
fn scene(options: SceneOptions) -> Scene {
    let scene = Scene::with(options);
    scene.add_node(NODE);
    scene
}

fn ssh_as(scene: &Scene, login: &str) -> Finished {
    run(scene.client.route(Way::Direct, login, NODE).ssh::<&str>(&[]).arg("true"))
}

fn ssh(scene: &Scene) -> Finished {
    ssh_as(scene, scene.login)
}

/// Ends the test unless ssh exited with 255 and showed the line of this section of the page, and no other of ours.
/// `stand_ins` are what the page has in place of what is only so here.
#[track_caller]
fn assert_as_on_the_page(title: &str, said: &Finished, stand_ins: &[(&str, &str)]) {
    let shown = said.assert_code(255).err();
    let lines: Vec<&str> = shown.lines().filter(|line| line.contains("mezite: ")).collect();
    let [line] = lines[..] else { panic!("not one line of ours: {shown}") };
    let (line, number) = line.split_once(" [conn ").unwrap_or_else(|| panic!("no number: {line}"));
    assert_eq!(number.trim_end().len(), "7f3a91c2]".len(), "{number}");
    let mut line = format!("{line} [conn 7f3a91c2]");
    for (here, on_the_page) in stand_ins {
        line = line.replace(here, on_the_page);
    }
    let (_, section) = page().into_iter().find(|(found, _)| found == title).unwrap();
    let written: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let written: Vec<&str> = written.into_iter().filter(|line| line.starts_with("mezite: ")).collect();
    assert_eq!(written, [line]);
}

#[test]
fn nothing_listens() {
    let mut scene = scene(SceneOptions::default());
    let address = closed_port();
    let port = format!("--port={}", address.port());
    scene.mezctl.ok(&["nodes", "update", NODE, &port]);
    assert_as_on_the_page(FAILURES[0], &ssh(&scene), &[(&address.to_string(), "10.0.0.7:22")]);
    assert_one_event(
        &scene,
        "connection.close",
        &[("node", NODE), ("reason", "connect"), ("outcome", "failed")],
    );
    scene.mezctl.run(&["nodes", "check", NODE]).assert_code(6);

    let port = format!("--port={}", scene.sshd.port());
    scene.mezctl.ok(&["nodes", "update", NODE, "--host=127.0.0.1", &port]);
    scene.mezctl.ok(&["nodes", "check", NODE]);
    ssh(&scene).assert_ok();
    scene.assert_alive();
}

#[test]
fn the_host_key_has_changed() {
    let mut scene = scene(SceneOptions::default());
    let pinned = scene.sshd.fingerprint();
    scene.sshd.replace_host_key();
    let seen = scene.sshd.fingerprint();
    let said = ssh(&scene);
    assert_as_on_the_page(FAILURES[1], &said, &[(&pinned, "SHA256:…"), (&seen, "SHA256:…")]);
    let event = assert_one_event(&scene, "node.hostkey.mismatch", &[("node", NODE)]).to_string();
    assert!(event.contains(&pinned) && event.contains(&seen), "{event}");

    let scan = format!(
        "ssh-keyscan -p {} 127.0.0.1 | cut -d' ' -f2- >{}",
        scene.sshd.port(),
        scene.scratch.join("new.pub").display()
    );
    run(Command::new("sh").args(["-c", &scan])).assert_ok();
    let file = format!("--host-key-file={}", scene.scratch.join("new.pub").display());
    scene.mezctl.ok(&["nodes", "rotate-host-key", NODE, &file, "--verify-host-key"]);
    ssh(&scene).assert_ok();
    let event = assert_one_event(&scene, "node.hostkey.rotate", &[("node", NODE)]);
    let shown = scene.mezctl.ok(&["nodes", "get", NODE]);
    assert!(shown.contains(&seen) && shown.contains(&format!("by uid {}", event["actor"])), "{shown}");
}

/// The line of a node that refuses `login`, and its event.
#[track_caller]
fn assert_login_refused(scene: &Scene, login: &str) {
    let said = ssh_as(scene, login);
    assert_as_on_the_page(
        FAILURES[2],
        &said,
        &[(&format!("refused login {login}:"), "refused login ubuntu:")],
    );
    assert_one_event(
        scene,
        "connection.close",
        &[("login", login), ("node", NODE), ("reason", "login_refused")],
    );
}

#[test]
fn the_ca_is_not_trusted() {
    let mut scene = scene(SceneOptions { trust: Trust::Nobody, ..SceneOptions::default() });
    assert_login_refused(&scene, scene.login);
    let check = ["nodes", "check", NODE, "--login", scene.login];
    assert_eq!(scene.mezctl.json(&check)["trusts_openssh"], "unknown", "nothing opens it");

    scene.sshd.trust(&scene.mezctl.ok(&["auth", "export", "--type=openssh"]));
    ssh(&scene).assert_ok();
    assert_eq!(scene.mezctl.json(&check)["trusts_openssh"], "yes");
    scene.assert_alive();
}

#[test]
fn the_login_does_not_exist_or_is_not_allowed() {
    let logins = vec![mezite_fixtures::account::login().to_owned(), "nosuchuser".to_owned()];
    let mut scene =
        scene(SceneOptions { role: Role { logins, ..Role::default() }, ..SceneOptions::default() });
    assert_login_refused(&scene, "nosuchuser");
    scene.sshd.configure(&["AllowUsers somebody-else"]);
    assert_login_refused(&scene, scene.login);
    scene.sshd.configure(&[&format!("AllowUsers {}", scene.login)]);
    // Two refusals end a user's guesses for half a minute; what was let in before is none.
    scene.user("bob", "dev");
    let bob = Client::new(&scene.scratch, "bob", &scene.gateway, &identity(&scene, "bob"));
    run(bob.route(Way::Direct, scene.login, NODE).ssh::<&str>(&[]).arg("true")).assert_ok();
    scene.gateway.assert_alive();
}

/// The key and certificate that `Scene::user` has made.
fn identity(scene: &Scene, name: &str) -> Identity {
    Identity {
        key: scene.scratch.join(name),
        certificate: Some(scene.scratch.join(format!("{name}-cert.pub"))),
    }
}

#[test]
fn of_thirty_connections_at_once_to_a_node_that_takes_one_none_fails() {
    let sshd = SshdOptions { config: vec!["MaxStartups 1:100:1".to_owned()], ..SshdOptions::default() };
    let mut scene = scene(SceneOptions { sshd, ..SceneOptions::default() });
    let said: Vec<Finished> = thread::scope(|scope| {
        let running: Vec<_> = (0..30).map(|_| scope.spawn(|| ssh(&scene))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for said in &said {
        said.assert_ok();
    }
    assert_eq!(scene.mezctl.audit("connection.open").len(), 30);

    // Somebody else keeps it full.
    let mut other = RawClient::connect(scene.sshd.address());
    assert!(other.line().starts_with("SSH-2.0-"));
    let said = ssh(&scene);
    let shown = said.err();
    let over = shown.split(" times in ").nth(1).and_then(|rest| rest.split(" s.").next()).unwrap_or_default();
    assert_as_on_the_page(FAILURES[3], &said, &[(&format!("times in {over} s."), "times in 5 s.")]);
    assert_one_event(&scene, "connection.close", &[("node", NODE), ("reason", "no_greeting")]);
    drop(other);
    scene.sshd.configure(&["MaxStartups 64:30:128"]);
    ssh(&scene).assert_ok();
    scene.assert_alive();
}

#[test]
fn roles_do_not_allow_it_or_there_is_no_certificate() {
    let scene = scene(SceneOptions::default());
    let login = "nosuch";
    assert_as_on_the_page(FAILURES[4], &ssh_as(&scene, login), &[(login, "root")]);
    assert_one_event(&scene, "access.refuse", &[("login", login), ("node", NODE)]);
    let target = format!("{login}@{NODE}");
    scene.mezctl.run(&["access", "explain", "alice", &target]).assert_code(3);

    // Not alice's key: beside that one ssh finds the certificate.
    let without = Identity { key: scene.scratch.join("plain"), certificate: None };
    generate_key(&without.key, KeyType::Ed25519);
    let client = Client::new(&scene.scratch, "plain", &scene.gateway, &without);
    let said = run(client.route(Way::Direct, scene.login, NODE).ssh::<&str>(&[]).arg("true"));
    assert_as_on_the_page(FAILURES[5], &said, &[("cluster test", "cluster example")]);
    eventually("the event", || (scene.mezctl.audit("auth.fail").len() == 1).then_some(()));
}

#[test]
fn the_address_is_that_of_several_nodes() {
    let scene = scene(SceneOptions::default());
    let to =
        |node: &str| run(scene.client.route(Way::Direct, scene.login, node).ssh::<&str>(&[]).arg("true"));
    assert_as_on_the_page(FAILURES[6], &to("127.0.0.1"), &[("127.0.0.1", "10.0.0.7")]);
    assert_one_event(&scene, "access.refuse", &[("reason", "ambiguous")]);
    let node = scene.mezctl.json(&["nodes", "get", NODE]);
    to(text(&node["metadata"], "name")).assert_ok();
}
