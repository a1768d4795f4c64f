//! The inventory as people use it: lists, nodes with one address, `edit`, and what `status` says.

// What cannot be set up must end the test.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use mezite_fixtures::{Finished, Scene, Way, run};
use mezite_integration::person::Person;
use mezite_integration::{assert_refused, text};
use serde_json::{Value, json};

/// A node at the address of the scene's sshd, under another name.
fn add_alias(scene: &Scene, name: &str, labels: &str) -> String {
    scene.add_node(name);
    scene.mezctl.ok(&["nodes", "update", name, &format!("--labels={labels}")]);
    text(&scene.mezctl.json(&["nodes", "get", name])["metadata"], "name").to_owned()
}

#[test]
fn nodes_are_listed_searched_and_shown_with_their_uuids() {
    let scene = Scene::start();
    let id = add_alias(&scene, "db-legacy-01", "env=prod,role=db");
    let names = |options: &[&str]| -> Vec<String> {
        let listed = scene.mezctl.list(&[&["nodes", "ls"], options].concat());
        listed.iter().map(|node| text(&node["spec"], "hostname").to_owned()).collect()
    };
    let port = format!("--search=127.0.0.1:{}", scene.sshd.port());
    for (option, count) in [
        ("--labels=env=prod", 1),
        ("--labels=env=prod,role=web", 0),
        ("--search=LEGACY", 1),
        ("--search=role=DB", 1),
        (&format!("--search={}", &id[..8]), 1),
        (&port, 2),
        ("--search=nothing", 0),
    ] {
        assert_eq!(names(&[option]).len(), count, "{option}");
    }
    let table = scene.mezctl.ok(&["nodes", "ls"]);
    assert!(table.starts_with("NAME ") && !table.contains(&id), "{table}");
    let line = table.lines().find(|line| line.starts_with("db-legacy-01 ")).unwrap();
    assert!(line.contains("env=prod,role=db  openssh  1"), "{line}");
    for arguments in [&["nodes", "ls", "-v"][..], &["get", "node/db-legacy-01", "--format", "text"]] {
        let table = scene.mezctl.ok(arguments);
        assert!(table.lines().any(|line| line.starts_with(&format!("{id}  db-legacy-01 "))), "{table}");
    }

    let mut bob = Person::new(&scene, "bob");
    bob.login(&[]).assert_ok();
    scene.ssh("true").assert_ok();
    let listed = bob.msh.run(&["ls", "-v"]).assert_ok().out();
    assert!(listed.starts_with("UUID ") && listed.contains("  node1  ") && !listed.contains(&id), "{listed}");
    let listed: Value =
        serde_json::from_str(&bob.msh.run(&["ls", "--format=json"]).assert_ok().out()).unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["sub_kind"]), (&"node1".into(), &"openssh".into()));
    // Addresses are for who administers: nobody else finds them out by searching.
    assert_eq!(bob.msh.run(&["ls", "--format=json", "--search=127.0.0.1"]).assert_ok().out().trim(), "[]");
}

#[test]
fn what_shares_an_address_is_told_apart_by_its_uuid() {
    let mut scene = Scene::start();
    let second = add_alias(&scene, "node2", "env=test");
    let hidden = add_alias(&scene, "node3", "env=secret");
    let first = text(&scene.mezctl.json(&["nodes", "get", "node1"])["metadata"], "name").to_owned();

    // Both are shown, so that whoever administers them sees that the address is not enough.
    let meant = scene.mezctl.list(&["get", "node/127.0.0.1"]);
    let mut ids: Vec<&str> = meant.iter().map(|node| text(&node["metadata"], "name")).collect();
    ids.sort_unstable();
    let mut expected = [&first[..], &second, &hidden];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    let said = scene.mezctl.run(&["nodes", "get", "127.0.0.1"]);
    assert!(said.assert_code(5).err().contains("3 nodes match"), "{}", said.err());
    assert_eq!(scene.mezctl.list(&["get", &format!("node/{second}")]).len(), 1);
    // The YAML that is the form of one document has it too.
    let yaml = scene.mezctl.ok(&["get", "node/node2"]);
    assert!(yaml.starts_with("---\n") && yaml.contains(&format!("name: {second}")), "{yaml}");

    // Who may see two of them hears of two; the UUID leads to each.
    let to =
        |node: &str| run(scene.client.route(Way::Direct, scene.login, node).ssh::<&str>(&[]).arg("true"));
    assert_refused(&to("127.0.0.1"), &["127.0.0.1 is the address of 2 nodes", "UUID"]);
    for id in [&first, &second] {
        to(id).assert_ok();
    }
    assert_refused(&to(&hidden), &["may not log in as"]);
    let opened = scene.mezctl.audit("connection.open");
    let nodes: Vec<_> = opened.iter().map(|event| text(event, "node")).collect();
    assert_eq!(nodes, ["node1", "node2"]);

    // A name means one node: a second one is refused, and it is said what to do.
    let document =
        "kind: node\nsub_kind: openssh\nversion: v2\nspec: {addr: '127.0.0.2:22', hostname: NODE2}\n";
    let create = |text: &str| scene.mezctl.run_with_input(&["create", "-f", "-"], text.as_bytes());
    let said = create(document);
    let hint = "another machine needs another hostname";
    assert!(
        said.assert_code(5).err().contains("NODE2 exists already") && said.err().contains(hint),
        "{said:?}"
    );
    let own = format!("{document}metadata: {{name: a100fdd0-52db-4eca-a7ab-c3afa7a1564a}}\n");
    let said = create(&own);
    assert!(
        said.assert_code(5).err().contains("there is a node NODE2 already, and a name means one"),
        "{said:?}"
    );
    let said =
        create(&own.replace("NODE2", "node4").replace("a100fdd0-52db-4eca-a7ab-c3afa7a1564a", &second));
    assert!(said.assert_code(5).err().contains("exists already"), "{said:?}");
    scene.assert_alive();
}

#[test]
fn who_pinned_other_host_keys_and_when_is_kept_with_the_node() {
    let mut scene = Scene::start();
    assert_eq!(scene.mezctl.json(&["nodes", "get", "node1"])["status"].get("host_key_rotation"), None);
    scene.sshd.replace_host_key();
    scene.ssh("true").assert_code(255);
    scene.mezctl.ok(&["nodes", "rotate-host-key", "node1", &format!("--host-key={}", scene.sshd.host_key())]);
    scene.ssh("true").assert_ok();
    scene.mezctl.ok(&["nodes", "check", "node1", "--login", scene.login]);
    let rotation = &scene.mezctl.json(&["nodes", "get", "node1"])["status"]["host_key_rotation"];
    let event = scene.mezctl.audit("node.hostkey.rotate").remove(0);
    assert_eq!(rotation["by"], format!("uid {}", event["actor"]));
    assert!(text(rotation, "time") <= text(&event, "time"), "{rotation} {event}");
    let shown = scene.mezctl.ok(&["nodes", "get", "node1"]);
    for part in [
        &format!("pinned host key:    {}", scene.sshd.fingerprint()),
        &format!("by uid {}", event["actor"]),
        "pinned anew:",
        "trusts openssh ca:  yes",
        "software:           SSH-2.0-OpenSSH",
        "seen host key:      SHA256:",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn status_says_what_the_guides_show() {
    let scene = Scene::with_role_options(&["permit_pty: true", "forward_agent: true"]);
    let mut bob = Person::new(&scene, "bob");
    bob.login(&["--ttl=1h"]).assert_ok();
    let shown = bob.msh.run(&["status"]).assert_ok().out();
    let url = format!("> Profile URL:        https://localhost:{}\n", scene.gateway.https().port());
    assert!(shown.starts_with(&url), "{shown}");
    for line in ["Logged in as:       bob", "Cluster:            test", "Roles:              dev"] {
        assert!(shown.lines().any(|shown| shown.trim_start() == line), "{line}: {shown}");
    }
    let logins = format!("  Logins:             {}\n", scene.login);
    assert!(shown.contains(&logins), "{shown}");
    assert!(shown.contains("  Valid until:        20") && shown.contains(" [valid for "), "{shown}");
    assert!(shown.contains("  Extensions:         permit-agent-forwarding, permit-pty"), "{shown}");
    for option in [&["-f", "json"][..], &["--format=json"], &["-fjson"]] {
        let status: Value =
            serde_json::from_str(&bob.msh.run(&[&["status"], option].concat()).assert_ok().out()).unwrap();
        assert_eq!(
            (&status["active"]["username"], &status["active"]["roles"]),
            (&"bob".into(), &json!(["dev"]))
        );
    }

    // As the manual of Teleport has it: one more role by a list.
    scene.mezctl.ok(&["users", "update", "bob", "--set-roles", "dev,auditor"]);
    bob.login(&[]).assert_ok();
    let status: Value =
        serde_json::from_str(&bob.msh.run(&["status", "-f", "json"]).assert_ok().out()).unwrap();
    assert_eq!(status["active"]["roles"], json!(["dev", "auditor"]));

    let shown = scene.mezctl.ok(&["status"]);
    let json = scene.mezctl.json(&["status"]);
    let lines: Vec<Vec<&str>> =
        shown.lines().map(|line| line.splitn(2, "  ").map(str::trim).collect()).collect();
    let (version, pin) = (text(&json, "version"), text(&json, "ca_pin"));
    assert_eq!(lines[..3], [["Cluster", "test"], ["Version", version], ["CA pin", pin]]);
    for path in ["webapi/find", "v1/webapi/find"] {
        let url = format!("https://localhost:{}/{path}", scene.gateway.https().port());
        let found = run(Command::new("curl").arg("-s").arg("--cacert").arg(scene.gateway.tls_ca()).arg(url));
        assert_eq!(found.assert_ok().out(), format!("{{\"server_version\":\"{version}\"}}"));
    }
}

/// An editor that is a script: it notes what it was given, and does `body` with the file `$2`.
fn editor(scene: &Scene, body: &str) -> PathBuf {
    let seen = scene.scratch.join("seen").display().to_string();
    let script = format!(
        "#!/bin/sh\nset -e\ncp \"$2\" {seen}\nstat -c '%a' \"$2\" \"$(dirname \"$2\")\" >{seen}.modes\nprintf '%s\\n' \"$1\" \"$2\" >{seen}.arguments\n{body}\n"
    );
    let path = scene.scratch.write("editor.sh", script);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// `mezctl edit WANTED` with such an editor.
fn edit(scene: &Scene, wanted: &str, body: &str) -> Finished {
    edit_by(scene, scene.mezctl.command(&["edit", wanted]), body)
}

fn edit_by(scene: &Scene, mut command: Command, body: &str) -> Finished {
    let script = editor(scene, body);
    command.env_remove("VISUAL").env("EDITOR", format!("{}  $(touch${{IFS}}shell);", script.display()));
    command.env("TMPDIR", scene.scratch.path()).current_dir(scene.scratch.path());
    run(&mut command)
}

/// The drafts that are left.
fn drafts(scene: &Scene) -> Vec<PathBuf> {
    let all = std::fs::read_dir(scene.scratch.path()).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("mezctl-edit-")).collect()
}

#[test]
fn a_document_is_changed_in_an_editor() {
    let scene = Scene::start();
    let id = text(&scene.mezctl.json(&["nodes", "get", "node1"])["metadata"], "name").to_owned();
    let said = edit(
        &scene,
        "nodes/node1",
        "sed -i 's/hostname: node1/hostname: db-1/; s/env: test/env: prod/' \"$2\"",
    );
    assert_eq!(said.assert_ok().err(), "changed node node1\n");
    let node = scene.mezctl.json(&["nodes", "get", "db-1"]);
    assert_eq!(
        (&node["metadata"]["name"], &node["metadata"]["labels"]),
        (&id.clone().into(), &json!({"env": "prod"}))
    );
    let seen = |suffix: &str| std::fs::read_to_string(scene.scratch.join(format!("seen{suffix}"))).unwrap();
    assert_eq!(seen(".modes"), "600\n700\n");
    assert!(seen("").contains("revision: ") && !seen("").contains("status"), "{}", seen(""));
    // The editor is words, not a command for a shell.
    assert!(seen(".arguments").starts_with("$(touch${IFS}shell);\n"), "{}", seen(".arguments"));
    assert!(!scene.scratch.join("shell").exists());
    assert!(drafts(&scene).is_empty());

    // By UUID too; other kinds; and what is not changed is not sent.
    let events = scene.mezctl.list(&["audit", "ls"]).len();
    for wanted in [&format!("node/{id}"), "role/dev", "user/alice"] {
        assert!(edit(&scene, wanted, ":").assert_ok().err().starts_with("unchanged "), "{wanted}");
        assert!(
            edit(&scene, wanted, "echo '# a comment' >>\"$2\"").assert_ok().err().starts_with("unchanged ")
        );
    }
    assert_eq!(scene.mezctl.list(&["audit", "ls"]).len(), events);
    let said = edit(&scene, "role/dev", "sed -i 's/- test$/- prod/' \"$2\"");
    assert_eq!(said.assert_ok().err(), "changed role dev\n", "{}", seen(""));
    edit(&scene, "user/alice", "sed -i 's/^\\( *\\)- dev/&\\n\\1- auditor/' \"$2\"").assert_ok();
    assert_eq!(scene.mezctl.json(&["users", "get", "alice"])["roles"], json!(["dev", "auditor"]));
    run(scene.client.route(Way::Direct, scene.login, "db-1").ssh::<&str>(&[]).arg("true")).assert_ok();
    assert!(drafts(&scene).is_empty());
    for (wanted, code) in [("node/nosuch", 4), ("role/admin", 5), ("lock/x", 2), ("app/x", 2), ("node1", 2)] {
        edit(&scene, wanted, "exit 1").assert_code(code);
    }
}

/// The text that is kept, with the name that was printed.
#[track_caller]
fn kept(scene: &Scene, said: &Finished) -> String {
    let err = said.err();
    let path = PathBuf::from(err.trim_end().rsplit(" kept in ").next().unwrap());
    assert_eq!(
        std::fs::metadata(&path).unwrap_or_else(|e| panic!("{e}: {err}")).permissions().mode() & 0o777,
        0o600
    );
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    assert!(drafts(scene).is_empty());
    text
}

#[test]
fn what_cannot_be_taken_back_from_the_editor_is_kept() {
    let scene = Scene::start();
    let socket = scene.mezctl.socket().display().to_string();
    let mezctl = mezite_fixtures::program("mezctl").display().to_string();
    let relabel = "sed -i 's/env: test/env: prod/' \"$2\"";

    // Somebody else was faster: theirs stays.
    let other = format!("{relabel}; {mezctl} --socket {socket} nodes update node1 --labels=env=stage");
    let said = edit(&scene, "node/node1", &other);
    assert!(said.assert_code(5).err().contains("changed meanwhile"), "{}", said.err());
    assert!(kept(&scene, &said).contains("env: prod"));
    let labels = || scene.mezctl.json(&["nodes", "get", "node1"])["metadata"]["labels"].clone();
    assert_eq!(labels(), json!({"env": "stage"}));
    // Also where the text says another revision.
    let said = edit(
        &scene,
        "node/node1",
        &format!("{} ; sed -i '/revision/d; s/env: stage/env: prod/' \"$2\"", other.replace("stage", "test")),
    );
    assert!(kept(&scene, said.assert_code(5)).contains("env: prod"));
    let gone = format!("{mezctl} --socket {socket} users rm alice; sed -i 's/- dev/- auditor/' \"$2\"");
    let said = edit(&scene, "user/alice", &gone);
    assert!(said.assert_code(5).err().contains("removed meanwhile"), "{}", said.err());
    kept(&scene, &said);

    let before = scene.mezctl.list(&["audit", "ls"]).len();
    for (wanted, body, code, why) in [
        ("node/node1", "echo '  hots: a' >>\"$2\"", 2, "line "),
        ("node/node1", "printf 'a: [' >\"$2\"", 2, "line "),
        ("node/node1", "sed -i 's/kind: node/kind: role/' \"$2\"", 2, "line "),
        ("node/node1", "sed -i 's/name: [0-9a-f]\\{8\\}/name: 00000000/' \"$2\"", 2, "may not be changed"),
        ("role/dev", "sed -i 's/name: dev/name: ops/' \"$2\"", 2, "must be role and dev"),
        (
            "role/dev",
            "(cat \"$2\"; echo ---; cat \"$2\") >b; mv b \"$2\"; chmod 600 \"$2\"",
            2,
            "one document",
        ),
        ("role/dev", "head -c 2000000 /dev/zero >>\"$2\"", 2, "larger than"),
        ("role/dev", "echo x >>\"$2\"; exit 7", 1, "exit status: 7"),
    ] {
        let said = edit(&scene, wanted, body);
        assert!(said.assert_code(code).err().contains(why), "{body}: {}", said.err());
        kept(&scene, &said);
    }
    // Nothing was written: there is nothing to keep.
    for body in ["exit 7", "rm \"$2\""] {
        assert!(!edit(&scene, "role/dev", body).err().contains("kept"), "{body}");
    }
    assert!(drafts(&scene).is_empty());
    assert_eq!(scene.mezctl.list(&["audit", "ls"]).len(), before);
}

#[test]
fn hostile_039_who_may_read_and_not_change_keeps_the_text_and_changes_nothing() {
    let scene = Scene::start();
    let role = "kind: role\nmetadata: {name: viewer}\nspec: {allow: {rules: [{resources: [node], verbs: [list, read, update]}]}}\n";
    let create = |text: &str| scene.mezctl.run_with_input(&["create", "--force", "-f", "-"], text.as_bytes());
    create(role).assert_ok();
    scene.mezctl.ok(&["users", "add", "eve", "--roles=viewer"]);
    let prefix = scene.scratch.join("eve").display().to_string();
    scene.mezctl.ok(&["auth", "sign", "--user=eve", "--format=tls", "--out", &prefix]);
    let before = scene.mezctl.json(&["nodes", "get", "node1"]);
    let remote = |body: &str| {
        let mut command = Command::new(mezite_fixtures::program("mezctl"));
        command.arg("--server").arg(format!("localhost:{}", scene.gateway.https().port()));
        edit_by(
            &scene,
            {
                command.args(["--identity", &prefix, "edit", "node/node1"]);
                command
            },
            body,
        )
    };
    // Pinning takes a right of its own, by whatever way.
    let pin = "sed -i '/- ssh-ed25519/d; s/host_keys:/host_keys: []/' \"$2\"";
    let said = remote(pin);
    assert!(said.assert_code(3).err().contains("no rule for rotate node"), "{}", said.err());
    assert!(kept(&scene, &said).contains("host_keys: []"));
    create(&role.replace(", update", "")).assert_ok();
    let said = remote("sed -i 's/env: test/env: prod/' \"$2\"");
    assert!(said.assert_code(3).err().contains("no rule for update node"), "{}", said.err());
    assert!(kept(&scene, &said).contains("env: prod"));
    assert_eq!(scene.mezctl.json(&["nodes", "get", "node1"]), before);
    assert!(scene.mezctl.audit("node.update").is_empty());
}
