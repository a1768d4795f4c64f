//! Many channels on one connection, and what the permit table says about each kind.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};

use mezite_fixtures::{
    FakeNode, KeyType, RawClient, Running, Scene, SceneOptions, SshdOptions, eventually, free_port, run,
    run_with_input,
};
use mezite_integration::{Master, noise};

#[test]
fn one_connection_carries_twenty_sessions_at_once() {
    let scene = Scene::start();
    let master = Master::open(&scene, scene.route());
    let mut sessions: Vec<Running> = (0..20)
        .map(|number| {
            let mut command = master.ssh(&[]);
            command.arg(format!("echo session {number}; cat"));
            scene.run_beside(&format!("session-{number}"), &mut command)
        })
        .collect();
    // None ends before all have begun.
    for (number, session) in sessions.iter_mut().enumerate() {
        assert_eq!(session.line(), format!("session {number}"));
    }
    for session in &mut sessions {
        session.say(b"back\n");
    }
    for session in &mut sessions {
        assert_eq!(session.line(), "back");
        session.finish();
        assert!(session.wait().success());
    }
    assert_eq!(scene.sshd.accepted(), 1, "all on one connection to the node");
    assert_eq!(scene.mezctl.audit("session.start").len(), 20);
}

#[test]
fn stalled_channel_holds_up_no_other() {
    let mut scene = Scene::start();
    let master = Master::open(&scene, scene.route());
    let mut command = master.ssh(&[]);
    command.arg("cat /dev/zero");
    let mut stalled = scene.run_beside("stalled", &mut command);
    // It flows; then nobody reads on, and the pipe and the windows fill up.
    stalled.read(4096);

    let input = noise(32 << 20, 4);
    let busy = run_with_input(master.ssh(&[]).arg("cat"), &input);
    assert!(busy.assert_ok().stdout == input, "the busy channel lost or changed bytes");
    assert!(stalled.is_running());
    scene.assert_alive();

    // And it goes on when somebody reads again.
    assert!(stalled.read(16 << 20).iter().all(|byte| *byte == 0));
}

#[test]
fn node_that_takes_no_more_sessions_says_so_to_the_client() {
    let sshd = SshdOptions { config: vec!["MaxSessions 1".to_owned()], ..SshdOptions::default() };
    let scene = Scene::with(SceneOptions { sshd, ..SceneOptions::default() });
    let master = Master::open(&scene, scene.route());
    let mut command = master.ssh(&[]);
    command.arg("echo up; cat");
    let mut first = scene.run_beside("first", &mut command);
    assert_eq!(first.line(), "up");
    let second = run(master.ssh(&[]).arg("true"));
    assert_ne!(second.code, Some(0), "{second:?}");
    assert!(first.is_running());
}

/// An echo server, as a service beside the node.
fn echo() -> FakeNode {
    FakeNode::start(|mut stream| {
        // The client decides when it is over, by an end or by a reset.
        let _ = stream.try_clone().and_then(|mut reader| std::io::copy(&mut reader, &mut stream));
        Vec::new()
    })
}

#[test]
fn local_forwarding_follows_the_roles_list() {
    let service = echo();
    let scene = Scene::with_role_options(&[&format!(
        "port_forwarding: {{local: ['127.0.0.1:{}']}}",
        service.address().port()
    )]);
    let target = service.address().to_string();
    let said = run_with_input(&mut scene.route().ssh(&["-W", &target]), b"through the node");
    assert_eq!(said.assert_ok().out(), "through the node");
    eventually("its event", || (scene.mezctl.audit("forward.open").len() == 1).then_some(()));

    let other = echo();
    let refused = run(&mut scene.route().ssh(&["-W", &other.address().to_string()]));
    refused.assert_code(255);
    assert!(refused.err().contains("administratively prohibited"), "{}", refused.err());
    assert_eq!(other.connections(), 0);
    eventually("its event", || (scene.mezctl.audit("forward.refuse").len() == 1).then_some(()));
}

#[test]
fn local_forwarding_is_off_unless_a_role_permits_it() {
    let (mut scene, service) = (Scene::start(), echo());
    let refused = run(&mut scene.route().ssh(&["-W", &service.address().to_string()]));
    refused.assert_code(255);
    assert_eq!(service.connections(), 0);
    scene.assert_alive();
}

#[test]
fn wildcard_never_covers_the_nodes_own_sshd() {
    let scene = Scene::with_role_options(&["port_forwarding: {local: true}"]);
    let service = echo();
    let said = run_with_input(&mut scene.route().ssh(&["-W", &service.address().to_string()]), b"fine");
    assert_eq!(said.assert_ok().out(), "fine");

    let before = scene.sshd.connections();
    for host in ["127.0.0.1", "localhost", "::1"] {
        let target = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let target = format!("{target}:{}", scene.sshd.port());
        run(&mut scene.route().ssh(&["-W", &target])).assert_code(255);
    }
    // The three connections that asked; none that went round the recording.
    assert_eq!(scene.sshd.connections(), before + 3);
    eventually("their events", || (scene.mezctl.audit("forward.refuse").len() == 3).then_some(()));
}

#[test]
fn forwarding_listener_of_ssh_serves_many_connections() {
    let service = echo();
    let scene = Scene::with_role_options(&["port_forwarding: {local: true}"]);
    let port = free_port();
    let forward = format!("{port}:127.0.0.1:{}", service.address().port());
    let _master = Master::open_with(&scene, scene.route(), &["-L", &forward]);
    let clients: Vec<_> = (0..8u64)
        .map(|seed| {
            std::thread::spawn(move || {
                let sent = noise(200_000, seed);
                let mut client = RawClient::connect(([127, 0, 0, 1], port).into());
                let mut writer = client.stream().try_clone().unwrap();
                let copy = sent.clone();
                let sender = std::thread::spawn(move || {
                    writer.write_all(&copy).unwrap();
                    writer.shutdown(std::net::Shutdown::Write).unwrap();
                });
                let received = client.read_to_close();
                sender.join().unwrap();
                received == sent
            })
        })
        .collect();
    assert!(clients.into_iter().all(|client| client.join().unwrap()));
}

#[test]
fn remote_agent_and_x11_forwarding_are_refused_and_the_session_goes_on() {
    let mut scene = Scene::start();
    let port = free_port();
    let remote = format!("{port}:127.0.0.1:1");
    run(scene.route().ssh(&["-R", &remote, "-o", "ExitOnForwardFailure=yes"]).arg("true")).assert_code(255);
    assert!(TcpListener::bind(("127.0.0.1", port)).is_ok(), "nothing listens for a refused forwarding");

    let said = run(scene.route().ssh(&["-R", &remote]).arg("echo on"));
    assert_eq!(said.assert_ok().out(), "on\n");

    let agent = Agent::start(&scene);
    let said = run(scene
        .route()
        .ssh(&["-A", "-o", &format!("IdentityAgent={}", agent.socket.display())])
        .arg("echo agent=$SSH_AUTH_SOCK"));
    assert_eq!(said.assert_ok().out(), "agent=\n");

    let mut x11 = scene.route().ssh(&["-Y"]);
    let said = run(x11.env("DISPLAY", ":77").arg("echo display=$DISPLAY"));
    assert_eq!(said.assert_ok().out(), "display=\n");
    assert!(scene.mezctl.audit("request.refuse").len() + scene.mezctl.audit("forward.refuse").len() >= 4);
    scene.assert_alive();
}

/// A real `ssh-agent` with a key.
struct Agent {
    _running: Running,
    socket: std::path::PathBuf,
}

impl Agent {
    fn start(scene: &Scene) -> Self {
        let socket = scene.scratch.join("agent");
        let mut command = std::process::Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket);
        let running = scene.run_beside("agent", &mut command);
        mezite_fixtures::eventually("the agent", || socket.exists().then_some(()));
        let key = scene.scratch.join("agent-key");
        mezite_fixtures::generate_key(&key, KeyType::Ed25519);
        let mut add = std::process::Command::new("ssh-add");
        run(add.env("SSH_AUTH_SOCK", &socket).arg("-q").arg(&key)).assert_ok();
        Self { _running: running, socket }
    }
}

#[test]
fn environment_passes_by_name() {
    let sshd = SshdOptions { config: vec!["AcceptEnv *".to_owned()], ..SshdOptions::default() };
    let scene = Scene::with(SceneOptions { sshd, ..SceneOptions::default() });
    let mut command = scene.route().ssh(&["-o", "SendEnv=LC_TEST LD_PRELOAD MEZITE_TEST"]);
    command.env("LC_TEST", "passes").env("MEZITE_TEST", "not").env("LD_PRELOAD", "");
    let said = run(command.arg("echo $LC_TEST,$MEZITE_TEST,${LD_PRELOAD+set}"));
    assert_eq!(said.assert_ok().out(), "passes,,\n");
}

#[test]
fn permits_for_bots_narrow_what_a_session_may_be() {
    let scene = Scene::with_role_options(&["permit_exec: false", "permit_sftp: false", "permit_pty: false"]);
    scene.ssh("true").assert_code(255);
    let batch = scene.scratch.write("batch", "pwd\n");
    assert_ne!(run(&mut scene.route().sftp(&batch)).code, Some(0));
    // A shell without a terminal is what is left.
    let mut shell = scene.route().ssh(&["-T"]);
    let said = run_with_input(&mut shell, b"echo from the shell\nexit 3\n");
    assert!(said.assert_code(3).out().contains("from the shell"), "{said:?}");
    assert!(!scene.mezctl.audit("request.refuse").is_empty());
}

#[test]
fn max_sessions_counts_channels_of_one_connection() {
    let scene = Scene::with_role_options(&["max_sessions: 1"]);
    let master = Master::open(&scene, scene.route());
    let mut command = master.ssh(&[]);
    command.arg("echo up; cat");
    let mut first = scene.run_beside("first", &mut command);
    assert_eq!(first.line(), "up");
    assert_ne!(run(master.ssh(&[]).arg("true")).code, Some(0));
    first.finish();
    assert!(first.wait().success());
    run(master.ssh(&[]).arg("true")).assert_ok();
}

#[test]
fn plain_bytes_on_the_forwarded_port_reach_a_closed_one_as_a_refusal() {
    let scene = Scene::with_role_options(&["port_forwarding: {local: true}"]);
    let nobody = mezite_fixtures::closed_port();
    let said = run(&mut scene.route().ssh(&["-W", &nobody.to_string()]));
    said.assert_code(255);
    // The node's own words, unchanged.
    assert!(
        said.err().contains("onnection refused") || said.err().contains("connect failed"),
        "{}",
        said.err()
    );
    assert!(TcpStream::connect(nobody).is_err());
}
