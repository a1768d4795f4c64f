//! A node that has joined, while CAs are rotated: the same command again brings the new keys and certificates.

use std::fs;
use std::process::Command;

use mezite_fixtures::{Scene, run};

use crate::plain::{Plain, Style, through, token};

/// The fingerprint of the CA key that has signed the node's host certificates.
fn signed_by(plain: &Plain) -> Vec<String> {
    let names = plain.files().into_keys().filter(|name| name.ends_with("-cert.pub"));
    let by = |name: String| {
        let shown = run(Command::new("ssh-keygen").arg("-Lf").arg(plain.folder.join(name))).assert_ok().out();
        let line = shown.lines().find(|line| line.contains("Signing CA:")).unwrap();
        line.split(' ').find(|word| word.starts_with("SHA256:")).unwrap().to_owned()
    };
    names.map(by).collect()
}

#[test]
fn a_node_that_has_joined_follows_by_the_same_command() {
    let scene = Scene::start();
    scene.mezctl.ok(&["nodes", "rm", "node1"]);
    let plain = Plain::start(&scene, "web", Style::Include);
    plain.join(&scene, Some(&token(&scene, "env=test")), &["--host-cert"]).assert_ok();
    let step = |ca: &str| scene.mezctl.json(&["ca", "rotate", &format!("--type={ca}")]);
    let again = || plain.join(&scene, None, &[] as &[&str]).assert_ok().out();
    let check = || scene.mezctl.run(&["nodes", "check", "web-1", "--login", scene.login]);
    let trusted = || fs::read_to_string(plain.folder.join("mezite_ca.pub")).unwrap().lines().count();
    let (old, first) = (signed_by(&plain), plain.files());
    for ca in ["openssh", "host"] {
        step(ca);
    }
    again();
    // Alice's client too: the gateway proves itself by the new key soon.
    scene.scratch.write("alice_known_hosts", scene.mezctl.ok(&["auth", "export", "--type=host"]));
    assert_eq!(trusted(), 2);
    assert_eq!(signed_by(&plain), old, "the old key still signs");
    check().assert_ok();
    for ca in ["openssh", "host"] {
        step(ca);
    }
    through(&scene, "true").assert_ok();
    let counted = scene.mezctl.list(&["ca", "status", "--type=host"]).remove(0);
    assert_eq!(counted["old_certificates"]["hosts"], 1, "{counted}");
    again();
    let new = signed_by(&plain);
    assert!(new.len() == old.len() && new.iter().all(|key| !old.contains(key)), "{old:?} {new:?}");
    let counted = scene.mezctl.list(&["ca", "status", "--type=host"]).remove(0);
    assert_eq!(counted["old_certificates"]["hosts"], 0, "{counted}");
    check().assert_ok();
    for ca in ["openssh", "host"] {
        step(ca);
    }
    through(&scene, "true").assert_ok();
    again();
    assert_eq!(trusted(), 1);
    through(&scene, "true").assert_ok();
    let last = plain.files();
    assert_eq!(last.keys().collect::<Vec<_>>(), first.keys().collect::<Vec<_>>());
}
