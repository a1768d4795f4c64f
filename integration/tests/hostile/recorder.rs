//! Ways round the recorder, and into its folder.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;

use mezite_fixtures::{FakeNode, Role, Scene, SceneOptions, run};
use mezite_integration::hostile::{Answer, HostileClient, Outcome, Theft, list};
use mezite_integration::{assert_one_event, recordings, text};
use mezite_ssh::wire::{Writer as _, msg};

/// Alice, on a connection to the node that has let her in.
fn logged_in(theft: &Theft) -> HostileClient {
    let mut client = HostileClient::connect(theft.scene.gateway.ssh());
    let blob = theft.good().signed(&theft.keys.user);
    let user = format!("{}@node1", theft.scene.login);
    assert_eq!(client.authenticate(&user, &blob, &theft.subject), Answer::Success);
    client
}

/// Data on a channel.
fn data(channel: u32, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![msg::CHANNEL_DATA];
    message.u32(channel).string(bytes);
    message
}

#[test]
fn hostile_036_commands_are_recorded_whatever_they_look_like() {
    let theft = Theft::new();
    let commands = [
        "scp -t /nowhere; echo round the recorder 1",
        "/usr/lib/openssh/sftp-server -h; echo round the recorder 2",
        "internal-sftp; echo round the recorder 3",
        "rsync --server; echo round the recorder 4",
        "git-upload-pack x; echo round the recorder 5",
        "echo \u{1b}]0;x\u{7} >/dev/null; echo round the recorder 6",
        "exec echo round the recorder 7",
    ];
    let mut client = logged_in(&theft);
    for command in commands {
        let outcome = client.exec(command);
        assert!(
            String::from_utf8_lossy(&outcome.output).contains("round the recorder"),
            "{command}: {outcome:?}"
        );
    }
    let recorded = recordings(&theft.scene, commands.len());
    let sessions = theft.scene.mezctl.audit("session.start");
    assert_eq!(
        (recorded.len(), sessions.len()),
        (commands.len(), commands.len()),
        "a session each, on one connection"
    );
    for (number, recording) in recorded.iter().enumerate() {
        let played = theft.scene.mezctl.ok(&["recordings", "play", text(recording, "session")]);
        assert!(played.contains(&format!("round the recorder {}", number + 1)), "{number}: {played:?}");
        assert_eq!(text(recording, "state"), "complete");
    }
    for (event, command) in sessions.iter().zip(commands) {
        let shown = text(event, "command");
        assert!(shown.chars().all(|c| !c.is_control()), "{shown:?}");
        assert!(shown.len() >= command.len(), "{shown:?}");
    }
}

#[test]
fn hostile_036_one_start_for_each_channel_and_nothing_before_it() {
    let mut theft = Theft::new();
    let mut command = Vec::new();
    command.string("echo started; cat");
    let mut other = Vec::new();
    other.string("echo other >&2");
    let subsystem = |name: &[u8]| list([name]);
    let mut client = logged_in(&theft);

    // A second start on the same channel fails, and what runs goes on.
    for (label, kind, rest) in [
        ("a shell beside a command", "shell", vec![]),
        ("a second command", "exec", other.clone()),
        ("sftp beside a command", "subsystem", subsystem(b"sftp")),
        ("a terminal when it runs already", "pty-req", {
            let mut rest = Vec::new();
            rest.string("xterm").u32(80).u32(24).u32(0).u32(0).string("\0");
            rest
        }),
    ] {
        let channel = client.open_session(0).unwrap_or_else(|| panic!("{label}: no channel"));
        client.channel_request(channel, "exec", &command);
        client.channel_request(channel, kind, &rest);
        // Input is taken once the node has opened its window.
        let mut outcome = Outcome::default();
        client.hear_until(msg::CHANNEL_WINDOW_ADJUST, &mut outcome);
        client.send(&data(channel, b"still here\n"));
        client.channel_message(msg::CHANNEL_EOF, channel);
        client.hear_until(msg::CHANNEL_CLOSE, &mut outcome);
        client.channel_message(msg::CHANNEL_CLOSE, channel);
        assert_eq!(outcome.answers, [true, false], "{label}: {outcome:?}");
        assert_eq!(String::from_utf8_lossy(&outcome.output), "started\nstill here\n", "{label}");
    }
    // Names that are nearly sftp are other subsystems, and the node has none.
    for name in [&b"SFTP"[..], b"sftp ", b"", b"\x1b[2J"] {
        let channel = client.open_session(0).unwrap();
        client.channel_request(channel, "subsystem", &subsystem(name));
        client.channel_message(msg::CHANNEL_EOF, channel);
        client.channel_message(msg::CHANNEL_CLOSE, channel);
        let outcome = client.hear_channel();
        assert_eq!(outcome.answers, [false], "{name:?}");
        assert!(outcome.output.is_empty(), "{name:?}");
    }
    drop(client);

    // Before something is started the node takes no data: who sends some oversteps the window, and is cut.
    let started = theft.scene.mezctl.audit("session.start").len();
    let mut client = logged_in(&theft);
    let channel = client.open_session(0).unwrap();
    client.send(&data(channel, b"early\n"));
    client.channel_request(channel, "exec", &command);
    assert!(matches!(client.answer(), Answer::Disconnected(2, _)));
    assert_eq!(theft.scene.mezctl.audit("session.start").len(), started);
    assert_eq!(recordings(&theft.scene, started).len(), started, "as many recordings as sessions");
    theft.scene.assert_alive();
}

#[test]
fn hostile_036_names_that_a_node_reads_in_another_way() {
    // sshd takes a NUL at the end of a name for its end: what is not `exec` to us would be `exec` to it.
    let mut theft = Theft::with(SceneOptions {
        role: Role::with_options(&["permit_pty: false", "permit_sftp: false", "permit_env: ['*']"]),
        ..SceneOptions::default()
    });
    let terminal = || {
        let mut rest = Vec::new();
        rest.string("xterm").u32(80).u32(24).u32(0).u32(0).string("\0");
        rest
    };
    for (kind, rest) in [
        (&b"exec\0"[..], list(["echo unrecorded"])),
        (b"shell\0", vec![]),
        (b"subsystem\0", list(["sftp"])),
        (b"subsystem", list([&b"sftp\0"[..]])),
        (b"pty-req\0", terminal()),
        (b"env\0", list(["LANG", "C"])),
        (b"env", list([&b"LD_PRELOAD\0"[..], b"x"])),
        (b"auth-agent-req@openssh.com\0", vec![]),
        (b"x11-req\0", [&[0][..], &list(["MIT-MAGIC-COOKIE-1", "00"]), &[0; 4]].concat()),
        (b"Exec", list(["echo unrecorded"])),
        (b"exec ", list(["echo unrecorded"])),
        (b"", vec![]),
    ] {
        let label = String::from_utf8_lossy(kind).escape_debug().to_string();
        let mut client = logged_in(&theft);
        let channel = client.open_session(0).unwrap();
        client.channel_request(channel, kind, &rest);
        client.channel_message(msg::CHANNEL_EOF, channel);
        client.channel_message(msg::CHANNEL_CLOSE, channel);
        let outcome = client.hear_channel();
        assert_eq!((outcome.answers, outcome.output), (vec![false], vec![]), "{label}");
    }
    assert!(theft.scene.mezctl.audit("session.start").is_empty());
    assert_eq!(theft.scene.sshd.count("Starting session"), 0, "nothing was started on the node");
    theft.scene.assert_alive();
}

#[test]
fn hostile_036_forwarding_needs_a_role_and_leaves_an_event() {
    let mut scene = Scene::start();
    let service = FakeNode::saying(b"hello".to_vec());
    for option in [format!("-W{}", service.address()), format!("-W{}", scene.sshd.address())] {
        run(&mut scene.route().ssh(&[&option])).assert_code(255);
    }
    assert_eq!(service.connections(), 0);
    for destination in [service.address(), scene.sshd.address()] {
        assert_one_event(
            &scene,
            "forward.refuse",
            &[("destination", &destination.to_string()), ("actor", "alice")],
        );
    }
    assert!(scene.mezctl.audit("session.start").is_empty());
    scene.assert_alive();
}

#[test]
fn hostile_035_session_ids_are_made_by_the_gateway_only() {
    let options =
        SceneOptions { role: Role::with_options(&["permit_env: ['*']"]), ..SceneOptions::default() };
    let mut theft = Theft::with(options);
    let mut client = logged_in(&theft);
    client.exec("echo first");
    let first = text(&recordings(&theft.scene, 1)[0], "session").to_owned();
    for name in [first.as_str(), "../../../../etc/x", "/etc/x", "x\ny", ""] {
        for variable in ["MEZITE_SESSION", "SSH_SESSION_ID", "TELEPORT_SESSION", "SESSION"] {
            let channel = client.open_session(0).unwrap();
            client.channel_request(channel, "env", &list([variable, name]));
            client.channel_request(channel, "session-id@mezite", &list([name]));
            client.channel_request(channel, "exec", &list(["echo next"]));
            client.hear_channel();
            client.channel_message(msg::CHANNEL_CLOSE, channel);
        }
    }
    let recorded = recordings(&theft.scene, 21);
    let mut sessions: Vec<_> = recorded.iter().map(|one| text(one, "session").to_owned()).collect();
    sessions.sort();
    sessions.dedup();
    assert_eq!((sessions.len(), recorded.len()), (21, 21), "ids are never reused");
    let played = theft.scene.mezctl.ok(&["recordings", "play", &first]);
    assert!(played.contains("first") && !played.contains("next"), "{played:?}");
    theft.scene.assert_alive();
}

/// What the socket answers to a request for this path.
fn get(scene: &Scene, path: &[u8]) -> (u16, String) {
    let mut socket = UnixStream::connect(scene.mezctl.socket()).unwrap();
    let request = [b"GET ", path, b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"].concat();
    socket.write_all(&request).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default();
    (status, answer)
}

#[test]
fn hostile_035_recordings_are_reached_by_id_only_and_links_lead_nowhere() {
    let mut scene = Scene::start();
    scene.ssh("echo recorded").assert_ok();
    let recording = recordings(&scene, 1).remove(0);
    let session = text(&recording, "session");
    let folder = scene.gateway.data().join("recordings");
    let (status, answer) = get(&scene, format!("/v1/recordings/{session}/file?for=play").as_bytes());
    assert_eq!(status, 200, "{answer}");

    let secret = scene.scratch.write("secret", "nobody's business");
    for path in [
        "/v1/recordings/..%2f..%2fseal.key",
        "/v1/recordings/../../seal.key",
        "/v1/recordings/%2e%2e/seal.key",
        &format!("/v1/recordings/{}", secret.display()),
        &format!("/v1/recordings/{}", secret.display().to_string().replace('/', "%2f")),
        &format!("/v1/recordings/{session}%00"),
        &format!("/v1/recordings/{session}/../{session}"),
        &format!("/v1/recordings/{}", &session[..20]),
        "/v1/recordings/00000000-0000-0000-0000-000000000000",
        "/v1/recordings/x",
    ] {
        let (status, answer) = get(&scene, format!("{path}/file?for=play").as_bytes());
        assert!([400, 404].contains(&status), "{path}: {answer}");
        assert!(!answer.contains("nobody's business") && !answer.contains("recorded\n"), "{path}: {answer}");
    }
    assert_eq!(get(&scene, format!("/v1/recordings/{session}\0/file?for=play").as_bytes()).0, 400);
    for name in ["../../seal.key", "/etc/passwd", &session[..20], "x", ""] {
        let said = scene.mezctl.run(&["recordings", "play", "--", name]);
        assert!(matches!(said.code, Some(2 | 4)), "{name}: {said:?}");
    }

    // A link in the place of a recording, and one in the place of a day.
    let planted = "11111111-2222-4333-8444-555555555555";
    let day = folder.join("2020/01/02");
    fs::create_dir_all(&day).unwrap();
    symlink(&secret, day.join(format!("{planted}.mezrec"))).unwrap();
    symlink(scene.scratch.path(), folder.join("2021")).unwrap();
    let (status, answer) = get(&scene, format!("/v1/recordings/{planted}/file?for=play").as_bytes());
    assert!(status >= 400 && !answer.contains("nobody's business"), "{answer}");
    let said = scene.mezctl.run(&["recordings", "play", planted]);
    assert!(said.code != Some(0) && !said.out().contains("nobody's business"), "{said:?}");
    assert!(
        !scene
            .mezctl
            .list(&["recordings", "ls"])
            .iter()
            .any(|one| one["session"] == planted && one["state"] == "complete")
    );

    // A link in the place of the year in which sessions are recorded now: nothing is written behind it.
    let elsewhere = scene.scratch.shared_folder("elsewhere");
    let year = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).max().unwrap();
    fs::rename(folder.join(&year), folder.join("kept")).unwrap();
    symlink(&elsewhere, folder.join(&year)).unwrap();
    let said = scene.ssh("echo not recorded");
    assert_eq!(said.code, Some(254), "{said:?}");
    assert!(said.out().is_empty() && said.err().contains("mezite: "), "{said:?}");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "nothing is written there");
    fs::remove_file(folder.join(&year)).unwrap();
    fs::rename(folder.join("kept"), folder.join(&year)).unwrap();
    scene.assert_alive();
}
