//! Rows of docs/hostile.md that need a peer which speaks SSH and means ill, end to end.

// What cannot be set up must end the test.
#![allow(clippy::unwrap_used)]

mod authentication;
mod certificates;
mod floods;
mod host_keys;
mod inside;
mod node_logins;
mod nodes;
mod pins;
mod protocol;
mod recorder;
mod restrictions;
mod sources;

use mezite_fixtures::{Finished, Scene, Way, run};

/// `true` on a node by alice's stock ssh.
fn ssh_to(scene: &Scene, node: &str) -> Finished {
    run(scene.client.route(Way::Direct, scene.login, node).ssh::<&str>(&[]).arg("true"))
}

/// The one line of the gateway's on the terminal of a person whom it did not let through.
#[track_caller]
fn only_line(label: &str, said: &Finished) -> String {
    assert_eq!(said.code, Some(255), "{label}: {said:?}");
    let text = said.err();
    let lines: Vec<_> = text.lines().filter(|line| line.contains("mezite: ")).collect();
    let [line] = lines[..] else { panic!("{label}: not one line of the gateway's: {text}") };
    assert!(line.contains("[conn ") && line.chars().all(|c| !c.is_control()), "{label}: {line:?}");
    line.to_owned()
}
