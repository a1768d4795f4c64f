//! `ssh -J GATEWAY` and the subsystem `proxy:NODE:PORT`: SSH connections inside of one that leads to no node.

use std::process::Command;

use mezite_fixtures::{Running, Scene, Way, eventually, run, run_with_input};
use mezite_integration::{assert_one_event, assert_refused, noise, text};

/// A connection to the gateway itself that others share.
fn master(scene: &Scene) -> (Running, std::path::PathBuf) {
    let socket = scene.scratch.join("master");
    let mut command = Command::new("ssh");
    command.arg("-F").arg(scene.client.config()).args(["-p", &scene.gateway.ssh().port().to_string()]);
    command.args(["-N", "-M", "-o"]).arg(format!("ControlPath={}", socket.display())).arg("me@localhost");
    let running = scene.run_beside("master", &mut command);
    eventually("the master", || socket.exists().then_some(()));
    (running, socket)
}

/// `ssh` to the node through the master.
fn through(scene: &Scene, socket: &std::path::Path, node: &str, command: &str) -> Command {
    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg(scene.client.config()).arg("-o");
    ssh.arg(format!("ProxyCommand=ssh -F none -S {} -W %h:%p me@localhost", socket.display()));
    ssh.arg(format!("{}@{node}", scene.login)).arg(command);
    ssh
}

#[test]
fn streams_status_and_names_are_those_of_the_node() {
    let mut scene = Scene::start();
    let input = noise(3 << 20, 1);
    for way in [Way::Jump, Way::Proxy] {
        let said =
            run_with_input(scene.route_by(way).ssh::<&str>(&[]).arg("cat; echo e >&2; exit 7"), &input);
        said.assert_code(7);
        assert!(said.stdout == input, "{way:?}: {} bytes", said.stdout.len());
        assert_eq!(said.err(), "e\n");
    }
    // As in the address line of the manuals: a port that is another one, the UUID, the name with the cluster's.
    let uuid = text(&scene.mezctl.json(&["nodes", "get", "node1"])["metadata"], "name").to_owned();
    for node in ["node1", "NODE1", "node1.test", &uuid] {
        for way in [Way::Jump, Way::Proxy] {
            let route = scene.client.route(way, scene.login, node);
            run(route.ssh(&["-p", "3022"]).arg("true")).assert_ok();
        }
    }
    let opened = scene.mezctl.audit("connection.open");
    let jumps = scene.mezctl.audit("jump.open");
    assert_eq!((opened.len(), jumps.len()), (10, 10));
    for (opened, jump) in opened.iter().zip(&jumps) {
        assert_eq!(opened["via"], jump["conn"]);
        assert_eq!(jump["actor"], "alice");
        assert!(["jump", "proxy"].contains(&text(opened, "way")), "{opened}");
    }
    eventually("all jumps to end", || (scene.mezctl.audit("jump.close").len() == 10).then_some(()));
    scene.assert_alive();
}

#[test]
fn several_share_one_connection_and_one_that_stalls_holds_up_nobody() {
    let mut scene = Scene::start();
    let (_master, socket) = master(&scene);
    let mut stalled = scene.run_beside("stalled", &mut through(&scene, &socket, "node1", "yes"));
    stalled.line();
    let others: Vec<_> = (0..8)
        .map(|n| {
            let mut ssh = through(&scene, &socket, "node1", &format!("sleep 0.{n}; echo {n}"));
            std::thread::spawn(move || run(&mut ssh))
        })
        .collect();
    for (n, other) in others.into_iter().enumerate() {
        assert_eq!(other.join().unwrap().assert_ok().out(), format!("{n}\n"));
    }
    assert_eq!(scene.mezctl.audit("jump.open").len(), 1);
    drop(stalled);
    scene.assert_alive();
}

#[test]
fn who_cannot_reach_a_node_hears_the_same_as_without_a_jump() {
    let mut scene = Scene::start();
    for way in [Way::Jump, Way::Proxy] {
        for node in ["nodex", "10.0.0.7", "localhost", "fd00::7", "169.254.169.254"] {
            let said = run(scene.client.route(way, scene.login, node).ssh::<&str>(&[]).arg("true"));
            let line = format!("alice may not log in as {} on {node}", scene.login);
            assert_refused(&said, &["mezite: access refused", &line]);
        }
        for node in ["-x", "a_b$(id)"] {
            let said = run(scene.client.route(way, scene.login, node).ssh::<&str>(&[]).arg("true"));
            assert_eq!(said.code, Some(255), "{node}: {said:?}");
        }
    }
    let far = scene.client.route(Way::Jump, scene.login, "node1@test");
    assert_eq!(run(far.ssh::<&str>(&[]).arg("true")).code, Some(255));
    assert_eq!(scene.sshd.connections(), 0);
    scene.assert_alive();
}

#[test]
fn there_is_nothing_at_the_gateway_itself() {
    let mut scene = Scene::start();
    let port = scene.gateway.ssh().port().to_string();
    let at_gateway = |options: &[&str], command: &[&str]| {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(scene.client.config()).args(["-p", &port]).args(options);
        run(ssh.arg("me@localhost").args(command))
    };
    for command in [&["id"][..], &[]] {
        let said = at_gateway(&[], command);
        assert_eq!(said.code, Some(254), "{said:?}");
        assert!(said.err().contains("mezite: there is no shell here"), "{}", said.err());
    }
    for subsystem in ["sftp", "proxy:node1", "proxy:node1:22@elsewhere", "proxy:-oX:22", "proxy:node1:0"] {
        let said = at_gateway(&["-s"], &[subsystem]);
        assert_eq!(said.code, Some(254), "{subsystem}: {said:?}");
        assert!(said.err().contains("the only subsystem here is proxy:NODE:PORT"), "{}", said.err());
    }
    let said = at_gateway(&["-o", "ExitOnForwardFailure=yes", "-R", "0:localhost:1", "-N"], &[]);
    assert_eq!(said.code, Some(255), "{said:?}");
    assert!(scene.mezctl.audit("request.refuse").iter().all(|event| event["actor"] == "alice"));
    assert_eq!(scene.sshd.connections(), 0);
    scene.assert_alive();
}

#[test]
fn without_a_good_certificate_there_is_no_way_in() {
    let mut scene = Scene::start();
    scene.mezctl.ok(&["users", "update", "alice", "--disable"]);
    for way in [Way::Jump, Way::Proxy] {
        let said = run(scene.route_by(way).ssh::<&str>(&[]).arg("true"));
        assert_eq!(said.code, Some(255));
        assert!(said.err().contains("alice is disabled"), "{}", said.err());
    }
    scene.mezctl.ok(&["users", "update", "alice", "--enable"]);
    scene.mezctl.ok(&["locks", "add", "--user=alice", "--message=stop"]);
    let said = run(scene.route_by(Way::Jump).ssh::<&str>(&[]).arg("true"));
    assert!(said.assert_code(255).err().contains("locked: stop"), "{}", said.err());
    let lock = scene.mezctl.list(&["locks", "ls"]).remove(0);
    scene.mezctl.ok(&["locks", "rm", text(&lock, "id")]);
    assert!(scene.mezctl.audit("jump.open").is_empty());
    scene.assert_alive();
}

#[test]
fn hostile_092_a_lock_cuts_the_jump_and_what_is_inside() {
    let mut scene = Scene::start();
    let (mut master, socket) = master(&scene);
    let mut inside = scene.run_beside("inside", &mut through(&scene, &socket, "node1", "echo up; sleep 600"));
    assert_eq!(inside.line(), "up");
    scene.mezctl.ok(&["locks", "add", "--user=alice", "--message=out"]);
    assert_eq!(inside.wait().code(), Some(255));
    assert_eq!(master.wait().code(), Some(255));
    assert_one_event(&scene, "jump.close", &[("reason", "lock")]);
    assert_one_event(&scene, "connection.close", &[("reason", "lock"), ("way", "jump")]);
    let lock = scene.mezctl.list(&["locks", "ls"]).remove(0);
    scene.mezctl.ok(&["locks", "rm", text(&lock, "id")]);
    scene.assert_alive();
}

#[test]
fn hostile_068_two_hundred_ways_on_one_connection_are_bounded() {
    let mut scene = Scene::start();
    let (_master, socket) = master(&scene);
    // They say nothing: each is an SSH connection that has not authenticated.
    let mut silent: Vec<_> = (0..200)
        .map(|n| {
            let mut ssh = Command::new("ssh");
            ssh.args(["-F", "none", "-S"]).arg(&socket).args(["-W", "node1:22", "me@localhost"]);
            scene.run_beside(&format!("silent-{n}"), &mut ssh)
        })
        .collect();
    assert!(silent[0].line().starts_with("SSH-2.0-"));
    let refused = scene.mezctl.audit("request.refuse").len();
    assert!(refused <= 100, "{refused}");
    eventually("the others to be refused", || {
        (scene.mezctl.audit("request.refuse").len() == 100).then_some(())
    });
    let said = run(&mut through(&scene, &socket, "node1", "true"));
    assert_eq!(said.code, Some(255), "{said:?}");
    // Whoever comes otherwise is not concerned.
    scene.ssh("true").assert_ok();
    drop(silent);
    eventually("a way to be free", || {
        (run(&mut through(&scene, &socket, "node1", "true")).code == Some(0)).then_some(())
    });
    scene.assert_alive();
}
