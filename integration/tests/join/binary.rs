//! `mezd join openssh`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use mezite_fixtures::{Scene, run};

use crate::plain::{Plain, Style, node, through, token};

#[test]
fn a_node_joins_is_reached_and_leaves_without_a_trace() {
    for style in [Style::Include, Style::Single] {
        let scene = Scene::start();
        let plain = Plain::start(&scene, "web", style);
        let before = plain.files();
        fs::set_permissions(plain.config(), fs::Permissions::from_mode(0o640)).unwrap();
        let secret = token(&scene, "env=test");
        let login = format!("--probe-login={}", scene.login);
        let said = plain.join(&scene, Some(&secret), &["--labels=env=prod,role=web", &login]);
        assert!(said.assert_ok().out().contains("proved"), "{}", said.out());
        let entry = node(&scene, "web-1").unwrap();
        assert_eq!(entry["metadata"]["labels"], serde_json::json!({"env": "test", "role": "web"}));
        assert_eq!(entry["spec"]["host_keys"].as_array().unwrap().len(), 2);
        assert_eq!(through(&scene, "echo here").assert_ok().out(), "here\n");
        // Again: nothing changes, with the token that is spent, and with none.
        let joined = plain.files();
        assert_eq!(joined.contains_key("sshd_config.d/50-mezite.conf"), style == Style::Include);
        for again in [Some(secret.as_str()), None] {
            let said = plain.join(&scene, again, &["--labels=env=test,role=web", &login]);
            assert!(said.assert_ok().out().contains("nothing to do"), "{}", said.out());
            assert!(plain.files() == joined, "{:?}", plain.files().keys());
        }
        assert_eq!(scene.mezctl.audit("node.join").len(), 1);
        assert_eq!(scene.mezctl.audit("token.use").len(), 1);
        let mode = fs::metadata(plain.config()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o640);
        plain.mezd(None, &["--remove"]).assert_ok();
        assert!(plain.files() == before, "{:?}", plain.files().keys());
        assert!(node(&scene, "web-1").is_none());
        assert_eq!(scene.mezctl.audit("node.leave").len(), 1);
        through(&scene, "true").assert_code(255);
        let said = plain.mezd(None, &["--remove"]);
        assert!(said.assert_ok().out().contains("nothing to do"));
    }
}

#[test]
fn host_certificates_are_for_proven_keys_and_stay_while_they_are_good() {
    let scene = Scene::start();
    let plain = Plain::start(&scene, "web", Style::Include);
    let before = plain.files();
    let secret = token(&scene, "env=test");
    plain.join(&scene, Some(&secret), &["--host-cert"]).assert_ok();
    let joined = plain.files();
    let names: Vec<_> = joined.keys().filter(|name| name.ends_with("-cert.pub")).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let shown = run(Command::new("ssh-keygen").arg("-Lf").arg(plain.folder.join(names[0]))).assert_ok().out();
    let id = node(&scene, "web-1").unwrap()["metadata"]["name"].as_str().unwrap().to_owned();
    for principal in ["web-1", "127.0.0.1", id.as_str()] {
        // The gateway of the tests is called 127.0.0.1 too, and nobody gets a certificate for that.
        let own = principal == "127.0.0.1";
        assert_eq!(shown.lines().any(|line| line.trim() == principal), !own, "{shown}");
    }
    // Somebody who trusts the Host CA, and comes by another way than the gateway.
    let known = scene.scratch.write("known", scene.mezctl.ok(&["auth", "export", "--type=host"]));
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "none", "-v", "-o", "BatchMode=yes", "-o", "HostKeyAlias=web-1", "-o"]);
    ssh.arg(format!("UserKnownHostsFile={}", known.display())).args([
        "-p",
        &plain.port.to_string(),
        "127.0.0.1",
        "true",
    ]);
    let said = run(&mut ssh);
    assert!(
        said.err().contains("matches CA") || said.err().contains("is known and matches the ED25519-CERT"),
        "{}",
        said.err()
    );
    plain.join(&scene, None, &["--host-cert"]).assert_ok();
    assert!(plain.files() == joined, "certificates that are good stay");
    let issued = scene.mezctl.audit("cert.issue");
    assert_eq!(issued.iter().filter(|event| event["kind"] == "host").count(), 2, "{issued:?}");
    // One that is gone comes again; none is lost for want of the flag.
    fs::remove_file(plain.folder.join(names[0])).unwrap();
    plain.join(&scene, None, &[] as &[&str]).assert_ok();
    assert_eq!(plain.files().keys().collect::<Vec<_>>(), joined.keys().collect::<Vec<_>>());
    plain.mezd(None, &["--remove"]).assert_ok();
    assert!(plain.files() == before);
}

#[test]
fn what_sshd_does_not_take_is_not_put_in_its_place() {
    let scene = Scene::start();
    let plain = Plain::start(&scene, "web", Style::Include);
    let secret = token(&scene, "env=test");
    let text = fs::read_to_string(plain.config()).unwrap();
    fs::write(plain.config(), format!("{text}NoSuchKeyword yes\n")).unwrap();
    let before = plain.files();
    let said = plain.join(&scene, Some(&secret), &["--host-cert"]);
    assert!(said.assert_code(1).err().contains("broken as it is"), "{}", said.err());
    assert!(plain.files() == before);
    assert!(node(&scene, "web-1").is_none(), "the token was not spent");
    fs::write(plain.config(), text).unwrap();
    plain.join(&scene, Some(&secret), &["--host-cert"]).assert_ok();
}

#[test]
fn a_ca_of_somebody_else_is_left_in_force() {
    let scene = Scene::start();
    let other = scene.scratch.write("other_ca.pub", "# theirs\n");
    let line = format!("TrustedUserCAKeys {}\n", other.display());
    let plain = Plain::with(&scene, "web", Style::Single, &line);
    let before = plain.files();
    let secret = token(&scene, "env=test");
    let said = plain.join(&scene, Some(&secret), &[] as &[&str]);
    assert!(said.assert_code(1).err().contains("--merge-ca"), "{}", said.err());
    assert!(plain.files() == before);
    plain.join(&scene, Some(&secret), &["--merge-ca"]).assert_ok();
    assert!(fs::read_to_string(&other).unwrap().ends_with("# theirs\n"));
    through(&scene, "true").assert_ok();
    plain.mezd(None, &["--remove"]).assert_ok();
    assert!(plain.files() == before);
    assert_eq!(fs::read_to_string(&other).unwrap(), "# theirs\n");
}

#[test]
fn a_failing_reload_or_look_undoes_everything() {
    let scene = Scene::start();
    let plain = Plain::start(&scene, "web", Style::Single);
    let before = plain.files();
    let fails = |arguments: &[&str]| {
        let secret = token(&scene, "env=test");
        let said = plain.join(&scene, Some(&secret), arguments);
        assert!(said.assert_code(1).err().contains("everything was undone"), "{}", said.err());
        assert!(plain.files() == before, "{:?}", plain.files().keys());
        assert!(node(&scene, "web-1").is_none());
    };
    fails(&["--reload-command=exit 3"]);
    // sshd does not hear of it, so the gateway is not let in.
    let login = format!("--probe-login={}", scene.login);
    fails(&["--reload-command=true", &login]);
    fails(&["--probe-login=nobody-of-this-name"]);
    // Nobody listens there.
    fails(&["--address=127.0.0.1:1"]);
    assert_eq!(scene.mezctl.audit("node.leave").len(), 4);
    let secret = token(&scene, "env=test");
    plain.join(&scene, Some(&secret), &[&login]).assert_ok();
}

#[test]
fn a_join_that_is_killed_is_finished_by_the_next() {
    for by_script in [false, true] {
        let scene = Scene::start();
        let plain = Plain::start(&scene, "web", Style::Include);
        let before = plain.files();
        let secret = token(&scene, "env=test");
        let login = format!("--probe-login={}", scene.login);
        let join = |more: &[&str]| {
            if by_script {
                let address = format!("--address={}", plain.address());
                let all = [&["--name=web-1", &address, &login], more].concat();
                plain.script(&scene, &["dash"], Some(&secret), &all)
            } else {
                plain.join(&scene, Some(&secret), &[&[login.as_str()], more].concat())
            }
        };
        let killed = join(&["--reload-command=kill -9 $PPID"]);
        assert_eq!(killed.code, None, "{}", killed.err());
        assert!(plain.files() != before && node(&scene, "web-1").is_some());
        through(&scene, "true").assert_code(255);
        join(&[]).assert_ok();
        through(&scene, "true").assert_ok();
        plain.mezd(None, &["--remove"]).assert_ok();
        assert!(plain.files() == before);
    }
}

#[test]
fn a_running_sshd_is_found_by_its_pid_file() {
    if Path::new("/run/systemd/system").exists() {
        println!("skipped: systemd reloads the ssh of this machine");
        return;
    }
    let scene = Scene::start();
    let plain = Plain::start(&scene, "web", Style::Include);
    let secret = token(&scene, "env=test");
    let mut command = Command::new(mezite_fixtures::program("mezd"));
    command.args(["join", "openssh", "--name=web-1"]).arg("--sshd-config").arg(plain.config());
    command.arg(format!("--server=localhost:{}", scene.gateway.https().port()));
    command.arg(format!("--address={}", plain.address())).env("MEZD_JOIN_TOKEN", &secret);
    command.arg(format!("--probe-login={}", scene.login)).env_remove("MEZITE_CA_PIN");
    run(&mut command).assert_ok();
    through(&scene, "true").assert_ok();
}

#[test]
fn removing_goes_on_where_it_stopped_when_the_gateway_is_away() {
    let mut scene = Scene::start();
    let plain = Plain::start(&scene, "web", Style::Include);
    let before = plain.files();
    let secret = token(&scene, "env=test");
    plain.join(&scene, Some(&secret), &[] as &[&str]).assert_ok();
    scene.gateway.stop();
    let said = plain.mezd(None, &["--remove"]);
    assert!(said.assert_code(1).err().contains("the node's entry stays"), "{}", said.err());
    scene.gateway.start_again();
    plain.mezd(None, &["--remove"]).assert_ok();
    assert!(plain.files() == before);
    assert!(node(&scene, "web-1").is_none());
    assert!(Path::new(&plain.folder).exists());
}
