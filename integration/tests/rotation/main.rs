//! The rotation of the CAs: the real gateway, a stock sshd that fetches its keys again or does not, stock clients, bots.

// What cannot be set up must end the test.
#![allow(clippy::unwrap_used)]

mod automatic;
mod compromised;
mod exports;
mod host;
mod hostile;
mod openssh;
mod user;

use std::process::Command;

use mezite_fixtures::{Finished, Scene, run};
use serde_json::Value;

/// One step, whatever comes of it.
fn rotate(scene: &Scene, ca: &str, phase: &str, options: &[&str]) -> Finished {
    let (ca, phase) = (format!("--type={ca}"), format!("--phase={phase}"));
    let mut all = vec!["ca", "rotate", &ca, &phase];
    all.extend(options);
    scene.mezctl.run(&all)
}

/// One step that must be taken.
#[track_caller]
fn step(scene: &Scene, ca: &str, phase: &str) -> Finished {
    let done = rotate(scene, ca, phase, &[]);
    done.assert_ok();
    done
}

/// What `ca status` says of one CA.
#[track_caller]
fn status(scene: &Scene, ca: &str) -> Value {
    scene.mezctl.list(&["ca", "status", &format!("--type={ca}")]).remove(0)
}

/// The bytes that an export has now, by `curl` as the manual has it.
#[track_caller]
fn fetch(scene: &Scene, path: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-fsS", "--noproxy", "*", "--cacert"]).arg(scene.gateway.tls_ca());
    curl.arg(format!("https://localhost:{}{path}", scene.gateway.https().port()));
    let fetched = run(&mut curl);
    fetched.assert_ok();
    fetched.out()
}

/// The keys of an export, `TYPE BASE64` each.
#[track_caller]
fn keys(scene: &Scene, ca: &str) -> Vec<String> {
    let text = fetch(scene, &format!("/v1/ca/{ca}.pub"));
    assert!(text.ends_with('\n'), "{text}");
    let key = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    text.lines().map(key).collect()
}

/// The node fetches the keys again, as its cron line does.
fn pull(scene: &mut Scene, ca: &str) {
    let fetched = fetch(scene, &format!("/v1/ca/{ca}.pub"));
    scene.sshd.trust(&fetched);
}

/// The gateway looks at all nodes.
#[track_caller]
fn check(scene: &Scene) {
    scene.mezctl.ok(&["nodes", "check", "--all", "--login", scene.login]);
}

/// A refusal with exit code 5 whose text has these parts.
#[track_caller]
fn assert_conflict(said: &Finished, parts: &[&str]) {
    said.assert_code(5);
    for part in parts {
        assert!(said.err().contains(part), "'{part}' is not in: {}", said.err());
    }
}
