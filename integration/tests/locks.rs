//! Locks on what lives: each kind, on every type of channel.

// What cannot be set up must end the test.
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Mutex, mpsc};
use std::time::Instant;

use mezite_fixtures::{
    Client, FakeNode, Role, Running, Scene, SceneOptions, Way, eventually, free_port, run,
};
use mezite_integration::hostile::{HostKey, HostileNode, any_key};
use mezite_integration::{assert_one_event, assert_refused, text};
use mezite_ssh::wire::msg;
use serde_json::Value;

/// One connection of each type, at work, each by an `ssh` of its own.
struct AtWork {
    shell: Running,
    sftp: Running,
    forward: Running,
    /// The connection of a program through the forward.
    through: TcpStream,
    idle: Running,
}

/// An echo server, as a service beside the node.
fn echo() -> FakeNode {
    FakeNode::start(|mut stream| {
        let _ = stream.try_clone().and_then(|mut reader| std::io::copy(&mut reader, &mut stream));
        Vec::new()
    })
}

fn connections(scene: &Scene) -> u64 {
    scene.mezctl.json(&["status"])["connections"].as_u64().unwrap()
}

impl AtWork {
    /// Starts all four by `client` on `node`; `name` is for their logs.
    fn start(scene: &Scene, client: &Client, node: &str, name: &str, service: &FakeNode) -> Self {
        let before = connections(scene);
        let route = client.route(Way::Direct, scene.login, node);
        let mut shell = scene.run_beside(&format!("{name}-shell"), &mut route.ssh::<&str>(&[]));
        shell.say(b"echo up\n");
        assert_eq!(shell.line(), "up");
        let mut sftp = scene.run_beside(&format!("{name}-sftp"), &mut route.sftp("-".as_ref()));
        sftp.say(b"pwd\n");
        eventually("sftp to answer", || sftp.line().contains("Remote working directory").then_some(()));
        let port = free_port();
        let spec = format!("{port}:{}", service.address());
        let mut command = route.ssh(&["-N", "-o", "ExitOnForwardFailure=yes", "-L", &spec]);
        let forward = scene.run_beside(&format!("{name}-forward"), &mut command);
        let mut through = eventually("the forward", || TcpStream::connect(("127.0.0.1", port)).ok());
        through.write_all(b"ping").unwrap();
        through.read_exact(&mut [0; 4]).unwrap();
        let idle = scene.run_beside(&format!("{name}-idle"), &mut route.ssh(&["-N"]));
        eventually("four connections", || (connections(scene) == before + 4).then_some(()));
        Self { shell, sftp, forward, through, idle }
    }

    fn all(&mut self) -> [(&'static str, &mut Running); 4] {
        let Self { shell, sftp, forward, idle, .. } = self;
        [("shell", shell), ("sftp", sftp), ("forward", forward), ("idle", idle)]
    }

    /// Waits until all four have ended, each with `message` on its terminal.
    fn assert_cut(mut self, what: &str, message: &str) {
        let mut rest = Vec::new();
        // The other side may reset what it has not read.
        let _ = self.through.read_to_end(&mut rest);
        for (name, running) in self.all() {
            let told = format!("mezite: disconnected: locked: {message}. Ask an administrator [conn ");
            let what = format!("{what}: {name}: '{told}'");
            eventually(&what, || running.log().contains(&told).then_some(()));
            // sftp notices that its ssh is gone when it has something to do.
            if name == "sftp" {
                running.say(b"ls\n");
            }
            running.finish();
            assert_ne!(running.wait().code(), Some(0), "{what}");
        }
    }

    fn assert_untouched(&mut self, what: &str) {
        self.shell.say(b"echo still\n");
        assert_eq!(self.shell.line(), "still", "{what}");
        self.through.write_all(b"pong").unwrap();
        self.through.read_exact(&mut [0; 4]).unwrap();
        for (name, running) in self.all() {
            assert!(running.is_running(), "{what}: {name}: {}", running.log());
        }
    }
}

/// How many events of a kind end something for a lock.
fn ended_by_lock(scene: &Scene, kind: &str) -> usize {
    scene.mezctl.audit(kind).iter().filter(|event| event["reason"] == "lock").count()
}

/// A scene in which alice may forward to `service`, and bob too, by a role of his own.
fn scene(service: &FakeNode) -> (Scene, Client) {
    let option = format!("port_forwarding: {{local: ['{}']}}", service.address());
    let role = Role::with_options(&[&option]);
    let scene = Scene::with(SceneOptions { role: role.clone(), ..SceneOptions::default() });
    scene.add_node("node2");
    scene.role(&Role { name: "ops".to_owned(), ..role });
    let bob = scene.user("bob", "ops");
    (scene, bob)
}

#[test]
fn hostile_092_lock_of_each_kind_cuts_every_type_of_channel_with_its_message() {
    let service = echo();
    let (mut scene, bob) = scene(&service);
    let node1 = text(&scene.mezctl.json(&["nodes", "get", "node1"])["metadata"], "name").to_owned();
    let mut other = AtWork::start(&scene, &bob, "node2", "bob", &service);
    let login = format!("--login={}", scene.login);
    let targets = [
        "--user=alice",
        "--role=dev",
        "--node=node1",
        &format!("--node={node1}"),
        &login,
        "--source-ip=127.0.0.1",
    ];
    for (number, target) in targets.iter().enumerate() {
        let message = format!("reason {number}");
        let alice = AtWork::start(&scene, &scene.client, "node1", &format!("alice{number}"), &service);
        let closed = ended_by_lock(&scene, "connection.close");
        // Those of the login and the address are bob's too.
        let everybody = number >= 4;
        let began = Instant::now();
        scene.mezctl.ok(&["locks", "add", target, "--message", &message]);
        alice.assert_cut(target, &message);
        eprintln!("{target}: all ended {} ms after `locks add` began", began.elapsed().as_millis());
        if everybody {
            other.assert_cut(target, &message);
            other =
                unlocked(&scene, || AtWork::start(&scene, &bob, "node2", &format!("bob{number}"), &service));
        } else {
            other.assert_untouched(target);
            unlocked(&scene, || ());
        }
        let expected = closed + if everybody { 8 } else { 4 };
        eventually("the events of all", || {
            (ended_by_lock(&scene, "connection.close") == expected).then_some(())
        });
    }
    // A shell and an sftp of alice each time, and of bob twice; all recordings are closed whole.
    let sessions = 2 * (targets.len() + 2);
    assert_eq!(ended_by_lock(&scene, "session.end"), sessions);
    let closed = |recording: &&Value| recording["ended"].is_string() && recording["state"] == "complete";
    let recordings = scene.mezctl.list(&["recordings", "ls"]);
    assert_eq!(recordings.iter().filter(closed).count(), sessions, "{recordings:#?}");
    drop(other);
    scene.assert_alive();
}

/// Removes the only lock, and goes on.
fn unlocked<T>(scene: &Scene, then: impl FnOnce() -> T) -> T {
    let locks = scene.mezctl.list(&["locks", "ls"]);
    assert_eq!(locks.len(), 1);
    scene.mezctl.ok(&["locks", "rm", text(&locks[0], "id")]);
    then()
}

#[test]
fn hostile_092_lock_of_a_session_cuts_the_connection_that_holds_it_and_no_other() {
    let mut scene = Scene::start();
    let shell = |name: &str| {
        let mut shell = scene.run_beside(name, &mut scene.route().ssh::<&str>(&[]));
        shell.say(b"echo up\n");
        assert_eq!(shell.line(), "up");
        shell
    };
    let mut first = shell("first");
    let started = assert_one_event(&scene, "session.start", &[]);
    let mut second = shell("second");
    scene.mezctl.ok(&["locks", "add", "--session", text(&started, "session"), "--message", "enough"]);
    first.wait();
    assert!(first.log().contains("mezite: disconnected: locked: enough."), "{}", first.log());
    let end = assert_one_event(&scene, "session.end", &[("reason", "lock")]);
    assert_eq!(end["session"], started["session"]);
    second.say(b"echo still\n");
    assert_eq!(second.line(), "still");
    drop(second);
    scene.assert_alive();
}

#[test]
fn hostile_092_role_given_to_a_user_while_it_is_locked_cuts_too() {
    let scene = Scene::start();
    scene.role(&Role { name: "ops".to_owned(), ..Role::default() });
    let mut shell = scene.run_beside("shell", &mut scene.route().ssh::<&str>(&[]));
    shell.say(b"echo up\n");
    assert_eq!(shell.line(), "up");
    scene.mezctl.ok(&["locks", "add", "--role=ops", "--message=closed"]);
    scene.mezctl.ok(&["users", "update", "alice", "--set-roles=dev,ops"]);
    shell.wait();
    assert!(shell.log().contains("mezite: disconnected: locked: closed."), "{}", shell.log());
}

#[test]
fn hostile_092_nothing_starts_after_a_lock_however_close_they_are() {
    let mut scene = Scene::start();
    for round in 0..10_u64 {
        let mut clients: Vec<_> = (0..4)
            .map(|client| {
                let mut command = scene.route().ssh::<&str>(&[]);
                scene.run_beside(&format!("race-{round}-{client}"), command.arg("cat"))
            })
            .collect();
        // The lock comes a little later each time: before, while and after they are let in.
        eventually("its turn", || (connections(&scene) >= round % 5).then_some(()));
        scene.mezctl.ok(&["locks", "add", "--user=alice", "--message=now"]);
        // Whoever came in is cut, whoever comes is refused: nobody is left.
        for client in &mut clients {
            assert_eq!(client.wait().code(), Some(255), "{}", client.log());
            assert!(client.log().contains("locked: now"), "{}", client.log());
        }
        eventually("nobody to be left", || (connections(&scene) == 0).then_some(()));
        assert_refused(&scene.ssh("true"), &["access refused: locked: now"]);
        unlocked(&scene, || ());
    }
    scene.assert_alive();
    run(scene.route().ssh::<&str>(&[]).arg("true")).assert_ok();
}

/// Does something about alice while she is dialled to a node that is slow to let her in, so that everything is decided
/// and nobody asks again before the session; she is cut on arrival with this line, for this reason.
#[track_caller]
fn cut_on_arrival(scene: &Scene, change: &[&str], line: &str, reason: &str) {
    let key = any_key();
    let (let_in, is_let_in) = mpsc::channel();
    let is_let_in = Mutex::new(is_let_in);
    let node = HostileNode::secured(HostKey::honest(&key), move |transport| {
        transport.receive_only(msg::USERAUTH_REQUEST);
        is_let_in.lock().unwrap().recv().unwrap();
        transport.send(&[msg::USERAUTH_SUCCESS]);
    });
    let name = format!("slow-{reason}");
    node.add_to(scene, &name, Some(key.public_key()));
    let route = scene.client.route(Way::Direct, scene.login, &name);
    let mut ssh = scene.run_beside(&name, route.ssh::<&str>(&[]).arg("true"));
    eventually("the dial", || (node.connections() == 1).then_some(()));
    scene.mezctl.ok(change);
    let_in.send(()).unwrap();
    assert_eq!(ssh.wait().code(), Some(255));
    assert!(ssh.log().contains(&format!("mezite: disconnected: {line}.")), "{}", ssh.log());
    assert_eq!(node.heard(msg::CHANNEL_OPEN), 0);
    assert_one_event(scene, "connection.close", &[("node", &name), ("reason", reason)]);
}

#[test]
fn hostile_092_lock_made_while_somebody_is_on_the_way_in_cuts_on_arrival() {
    let mut scene = Scene::start();
    cut_on_arrival(&scene, &["locks", "add", "--user=alice", "--message=late"], "locked: late", "lock");
    unlocked(&scene, || ());
    scene.assert_alive();
}

#[test]
fn who_is_disabled_or_removed_is_cut_at_once_and_on_arrival() {
    let mut scene = Scene::start();
    let live = |name: &str| {
        let mut shell = scene.run_beside(name, &mut scene.route().ssh::<&str>(&[]));
        shell.say(b"echo up\n");
        assert_eq!(shell.line(), "up");
        shell
    };
    let mut shell = live("live-disabled");
    cut_on_arrival(&scene, &["users", "update", "alice", "--disable"], "this user was disabled", "disabled");
    assert_eq!(shell.wait().code(), Some(255));
    assert!(shell.log().contains("mezite: disconnected: this user was disabled."), "{}", shell.log());
    scene.mezctl.ok(&["users", "update", "alice", "--enable"]);
    let mut shell = live("live-removed");
    cut_on_arrival(&scene, &["users", "rm", "alice"], "this user was removed", "removed");
    assert_eq!(shell.wait().code(), Some(255));
    assert!(shell.log().contains("mezite: disconnected: this user was removed."), "{}", shell.log());
    scene.gateway.assert_alive();
}
