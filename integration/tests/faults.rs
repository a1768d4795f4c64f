//! What happens when a process dies, a peer says garbage, or says nothing.

use mezite_fixtures::{RawClient, Running, Scene, eventually, run};
use mezite_integration::{noise, recordings, text};

/// A session on the node that says `up` and then waits for its stdin to end.
fn long_session(scene: &Scene, name: &str) -> Running {
    let mut command = scene.route().ssh::<&str>(&[]);
    command.arg("echo up; cat");
    let mut session = scene.run_beside(name, &mut command);
    assert_eq!(session.line(), "up", "{}", session.log());
    session
}

#[test]
fn gateway_killed_in_a_session_comes_back_whole() {
    let mut scene = Scene::start();
    let mut session = long_session(&scene, "session");
    let processes = || scene.sshd.count("Close session") + scene.sshd.count("Connection closed");
    let before = processes();
    eventually("the output to be on disk", || {
        let open = scene.mezctl.list(&["recordings", "ls"]);
        let played = scene.mezctl.run(&["recordings", "play", text(open.first()?, "session")]);
        played.out().contains("up").then_some(())
    });
    scene.gateway.kill9();
    assert_eq!(session.wait().code(), Some(255));
    eventually("the node to see the end", || (processes() > before).then_some(()));

    scene.gateway.start_again();
    scene.ssh("echo again").assert_ok();
    let all = recordings(&scene, 2);
    assert_eq!(text(&all[0], "state"), "recovered", "{all:?}");
    let played = scene.mezctl.ok(&["recordings", "play", text(&all[0], "session")]);
    assert!(played.contains("up"), "what was on disk plays: {played:?}");
    let verified = scene.mezctl.audit("gateway.start");
    assert_eq!(verified.len(), 2);
}

#[test]
fn changes_acknowledged_before_a_kill_are_there_after_it() {
    let mut scene = Scene::start();
    let mezctl = scene.mezctl.clone();
    // One after the other until the gateway is gone: the last one may or may not be there, all others must be.
    let writer = std::thread::spawn(move || {
        (0..10_000)
            .take_while(|number| {
                mezctl.run(&["users", "add", &format!("user{number}"), "--roles", "dev"]).code == Some(0)
            })
            .count()
    });
    eventually("twenty users", || (scene.mezctl.list(&["users", "ls"]).len() > 20).then_some(()));
    scene.gateway.kill9();
    let acknowledged = writer.join().unwrap();
    scene.gateway.start_again();
    let users = scene.mezctl.list(&["users", "ls"]).len();
    let events = scene.mezctl.audit("user.create").len();
    assert_eq!(users, events, "a change and its event are both there or both absent");
    assert!(
        [acknowledged + 1, acknowledged + 2].contains(&users),
        "{acknowledged} acknowledged, {users} there"
    );
}

#[test]
fn node_that_dies_ends_the_session_and_nothing_else() {
    let mut scene = Scene::start();
    let mut session = long_session(&scene, "session");
    scene.sshd.kill_sessions();
    assert_eq!(session.wait().code(), Some(255));
    scene.assert_alive();
}

#[test]
fn restart_in_order_ends_sessions_with_a_line() {
    let mut scene = Scene::start();
    let mut session = long_session(&scene, "session");
    let status = scene.gateway.stop();
    assert!(status.success(), "{status}: {}", scene.gateway.log());
    assert_eq!(session.wait().code(), Some(255));
    scene.gateway.start_again();
    scene.ssh("true").assert_ok();
    assert_eq!(scene.mezctl.audit("gateway.stop").len(), 1);
}

#[test]
fn garbage_on_both_ports_is_closed_and_hurts_nobody() {
    let mut scene = Scene::start();
    let inputs: [&[u8]; 6] = [
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-x\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"CONNECT \r\n\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nSSH-2.0-x\r\n",
    ];
    for address in [scene.gateway.ssh(), scene.gateway.https()] {
        for input in inputs {
            let mut client = RawClient::connect(address);
            // The gateway may close before it has read it all.
            let _ = client.say(input);
            let _ = client.say(&noise(100_000, 8));
            client.finish();
            client.read_to_close();
        }
    }
    assert_eq!(scene.sshd.connections(), 0);
    scene.assert_alive();
}

#[test]
fn many_silent_connections_keep_nobody_out() {
    let mut scene = Scene::start();
    // Stay below what one source may hold, which is its own test.
    let silent: Vec<RawClient> = (0..8).map(|_| RawClient::connect(scene.gateway.ssh())).collect();
    scene.ssh("true").assert_ok();
    drop(silent);
    scene.assert_alive();
}

#[test]
fn client_that_vanishes_leaves_no_process_on_the_node() {
    let scene = Scene::start();
    let mut session = long_session(&scene, "session");
    let before = scene.sshd.count("the client is gone");
    session.say(b"still there\n");
    session.kill9();
    eventually("the node to see the end", || (scene.sshd.count("the client is gone") > before).then_some(()));
    eventually("the session to be closed", || (scene.mezctl.audit("session.end").len() == 1).then_some(()));
    run(scene.route().ssh::<&str>(&[]).arg("true")).assert_ok();
}
