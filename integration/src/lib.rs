//! End-to-end tests: stock clients, the real gateway, a stock sshd. `tests/` has one file a theme; what several
//! themes share beyond `mezite-fixtures` is here.

// Test support: what cannot be set up must end the test, with the reason.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod bot;
pub mod guide;
pub mod hostile;
pub mod issuer;
pub mod person;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mezite_fixtures::{Finished, Route, Running, Scene, eventually, run};
use serde_json::Value;

/// Bytes that no compression and no lucky alignment survives, the same for the same `seed`.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    std::iter::repeat_with(|| {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .flatten()
    .take(length)
    .collect()
}

/// Ends the test unless stock `ssh` failed by itself (255) and showed a line of ours with every one of `parts`.
#[track_caller]
pub fn assert_refused(said: &Finished, parts: &[&str]) {
    said.assert_code(255);
    let text = said.err();
    let line = text.lines().find(|line| line.starts_with("mezite: "));
    let line = line.unwrap_or_else(|| panic!("no line of the gateway's: {text}"));
    for part in parts {
        assert!(line.contains(part), "'{part}' is not in: {line}");
    }
    assert!(line.contains("[conn "), "the connection is not named: {line}");
}

/// Waits for an audit event of `kind` in which every field has its value, and gives it. Ends the test when there is
/// none, or more than one.
#[track_caller]
pub fn assert_one_event(scene: &Scene, kind: &str, fields: &[(&str, &str)]) -> Value {
    let is_meant = |event: &Value| {
        fields.iter().all(|(name, value)| event.get(*name).and_then(Value::as_str) == Some(*value))
    };
    // What only tells that something has happened is written a moment after it.
    let found = eventually(&format!("{kind} with {fields:?}"), || {
        let mut events = scene.mezctl.audit(kind);
        events.retain(is_meant);
        (!events.is_empty()).then_some(events)
    });
    let [event] = &found[..] else { panic!("more than one {kind} with {fields:?}: {found:#?}") };
    event.clone()
}

/// A `ControlMaster` connection of stock ssh, over which further commands run as sessions.
pub struct Master {
    _running: Running,
    socket: PathBuf,
    route: Route,
}

impl Master {
    /// Opens the connection by `route` and waits until it takes sessions.
    pub fn open(scene: &Scene, route: Route) -> Self {
        Self::open_with(scene, route, &[])
    }

    /// The same with further options of ssh.
    pub fn open_with(scene: &Scene, route: Route, options: &[&str]) -> Self {
        let socket = scene.scratch.join("master");
        let path = socket.display().to_string();
        let mut all = vec!["-M", "-N", "-S", &path];
        all.extend(options);
        let mut command = route.ssh(&all);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut running = Running::start(&mut command, &scene.scratch.join("master.log"));
        eventually("the master connection", || {
            assert!(running.is_running(), "the master connection ended:\n{}", running.log());
            let mut check = route.ssh(&["-S", &path, "-O", "check"]);
            (run(&mut check).code == Some(0)).then_some(())
        });
        Self { _running: running, socket, route }
    }

    /// A further session on the connection: `ssh -S SOCKET OPTIONS DESTINATION`.
    pub fn ssh(&self, options: &[&str]) -> Command {
        let path = self.socket.display().to_string();
        // When the master refuses a session, ssh would quietly open a connection of its own.
        let mut all = vec!["-S", &path, "-o", "ProxyCommand=false"];
        all.extend(options);
        self.route.ssh(&all)
    }
}

/// The recordings that are closed, oldest first, once there are `count` of them.
pub fn recordings(scene: &Scene, count: usize) -> Vec<Value> {
    eventually(&format!("{count} closed recordings"), || {
        let mut all = scene.mezctl.list(&["recordings", "ls"]);
        all.retain(|one| one.get("ended").is_some_and(Value::is_string));
        all.sort_by_key(|one| one["started"].as_str().map(str::to_owned));
        (all.len() >= count).then_some(all)
    })
}

/// The field `name` of an object, which must be text.
#[track_caller]
pub fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("no text '{name}' in {object}"))
}

/// The content of a file that the test itself or the node has written.
#[track_caller]
pub fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()))
}
