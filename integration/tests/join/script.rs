//! The printed script, by every shell that is here.

use std::path::Path;

use mezite_fixtures::Scene;

use crate::plain::{Plain, Style, node, through, token};

/// Shells of POSIX that are installed.
fn shells() -> Vec<Vec<&'static str>> {
    let all = [vec!["dash"], vec!["busybox", "sh"], vec!["bash", "--posix"]];
    let here = |shell: &Vec<&str>| {
        ["/bin", "/usr/bin"].iter().any(|folder| Path::new(folder).join(shell[0]).exists())
    };
    all.into_iter().filter(here).collect()
}

#[test]
fn a_node_joins_by_script_and_leaves_without_a_trace() {
    for shell in shells() {
        for style in [Style::Include, Style::Single] {
            let scene = Scene::start();
            let plain = Plain::start(&scene, "web", style);
            let before = plain.files();
            let secret = token(&scene, "env=test");
            let address = format!("--address={}", plain.address());
            let login = format!("--probe-login={}", scene.login);
            let all = [&address, "--name=web-1", "--labels=role=a b,env=prod", &login, "--host-cert"];
            plain.script(&scene, &shell, Some(&secret), &all).assert_ok();
            let entry = node(&scene, "web-1").unwrap();
            assert_eq!(entry["metadata"]["labels"], serde_json::json!({"env": "test", "role": "a b"}));
            assert_eq!(through(&scene, "echo here").assert_ok().out(), "here\n");
            let joined = plain.files();
            assert_eq!(
                joined.keys().filter(|name| name.ends_with("-cert.pub")).count(),
                2,
                "{:?}",
                joined.keys()
            );
            let said = plain.script(&scene, &shell, Some(&secret), &all);
            assert!(said.assert_ok().err().contains("nothing to do"), "{}", said.err());
            assert!(plain.files() == joined, "{:?}", plain.files().keys());
            // Either takes out what the other has put in.
            if style == Style::Include {
                plain.script(&scene, &shell, None, &["--remove"]).assert_ok();
            } else {
                plain.mezd(None, &["--remove"]).assert_ok();
            }
            assert!(plain.files() == before, "{:?}", plain.files().keys());
            assert!(node(&scene, "web-1").is_none());
        }
    }
}

#[test]
fn a_script_that_fails_undoes_everything() {
    for shell in shells() {
        let scene = Scene::start();
        let plain = Plain::start(&scene, "web", Style::Single);
        let before = plain.files();
        let login = format!("--probe-login={}", scene.login);
        let address = format!("--address={}", plain.address());
        for wrong in [
            ["--reload-command=exit 3", &login, &address],
            ["--reload-command=true", &login, &address],
            ["--probe-login=nobody-of-this-name", "--name=web-1", &address],
            ["--name=web-1", "--host-cert", "--address=127.0.0.1:1"],
        ] {
            let secret = token(&scene, "env=test");
            let all = ["--name=web-1", wrong[0], wrong[1], wrong[2]];
            plain.script(&scene, &shell, Some(&secret), &all).assert_code(1);
            assert!(plain.files() == before, "{shell:?} {wrong:?}: {:?}", plain.files().keys());
            assert!(node(&scene, "web-1").is_none());
        }
        let said = plain.script(
            &scene,
            &shell,
            Some("tok-node-0123456789ABCDEFGHabcd"),
            &[&address, "--name=web-1"],
        );
        assert!(said.assert_code(3).err().contains("not accepted"), "{}", said.err());
        assert!(plain.files() == before);
    }
}

#[test]
fn gnu_wget_does_where_there_is_no_curl() {
    let scene = Scene::start();
    let plain = Plain::start(&scene, "web", Style::Single);
    let (secret, before) = (token(&scene, "env=test"), plain.files());
    let tools = scene.scratch.join("tools");
    std::fs::create_dir(&tools).unwrap();
    for entry in std::fs::read_dir("/usr/bin").unwrap().flatten() {
        if entry.file_name() != "curl" {
            std::os::unix::fs::symlink(entry.path(), tools.join(entry.file_name())).unwrap();
        }
    }
    if !tools.join("wget").exists() {
        println!("skipped: there is no wget");
        return;
    }
    let path = format!("PATH={}", tools.display());
    let shell = ["env", &path, "dash"];
    let address = format!("--address={}", plain.address());
    let said =
        plain.script(&scene, &shell, Some("tok-node-0123456789ABCDEFGHabcd"), &[&address, "--name=web-1"]);
    assert!(said.assert_code(3).err().contains("not accepted"), "{}", said.err());
    plain.script(&scene, &shell, Some(&secret), &[&address, "--name=web-1"]).assert_ok();
    through(&scene, "true").assert_ok();
    plain.script(&scene, &shell, None, &["--remove"]).assert_ok();
    assert!(plain.files() == before);
}

#[test]
fn hostile_082_a_script_tells_nobody_else_its_token() {
    let scene = Scene::start();
    let other = Scene::start();
    let plain = Plain::start(&scene, "web", Style::Single);
    let (secret, before) = (token(&scene, "env=test"), plain.files());
    // The script of one gateway, whose name now leads to another.
    let text = scene.mezctl.ok(&["nodes", "join-script", "--gateway", "localhost:1"]);
    let port = other.gateway.https().port();
    let script = scene.scratch.write("other.sh", text.replace("localhost:1", &format!("localhost:{port}")));
    let mut command = std::process::Command::new("dash");
    command
        .arg(script)
        .arg("--sshd-config")
        .arg(plain.config())
        .arg(format!("--address={}", plain.address()));
    let said = mezite_fixtures::run(command.arg("--name=web-1").env("MEZD_JOIN_TOKEN", &secret));
    assert!(said.assert_code(1).err().contains("does not prove"), "{}", said.err());
    assert!(plain.files() == before);
    assert!(other.mezctl.audit("token.refuse").is_empty(), "the token did not leave");
}
