//! Connections that lead to no node: what is asked of them, and names inside that lead nowhere.

use mezite_fixtures::{Scene, Way, run};
use mezite_integration::hostile::{Answer, HostileClient};
use mezite_integration::text;
use mezite_ssh::wire::{Reader, Writer as _, msg};
use ssh_key::{Certificate, PrivateKey};

/// Alice, at the gateway itself.
fn visitor(scene: &Scene) -> HostileClient {
    alice(scene, "me")
}

/// Alice, who has come in by this SSH user name.
fn alice(scene: &Scene, user: &str) -> HostileClient {
    let key = PrivateKey::read_openssh_file(&scene.identity.key).unwrap();
    let certificate = Certificate::read_file(scene.identity.certificate.as_ref().unwrap()).unwrap();
    let mut client = HostileClient::connect(scene.gateway.ssh());
    assert_eq!(client.authenticate(user, &certificate.to_bytes().unwrap(), &key), Answer::Success);
    client
}

/// Opens a way to a node. Inside: the first bytes that come out of it, or why there is none. Nothing: the connection is
/// over.
fn way_to(client: &mut HostileClient, host: &[u8], port: u32) -> Option<Result<Vec<u8>, String>> {
    let mut open = vec![msg::CHANNEL_OPEN];
    open.string("direct-tcpip").u32(7).u32(1 << 20).u32(32_768);
    open.string(host).u32(port).string("127.0.0.1").u32(5);
    client.send(&open);
    let mut channel = None;
    loop {
        let message = client.transport().receive()?;
        let mut reader = Reader::new(message.get(5..).unwrap_or_default());
        match *message.first()? {
            msg::CHANNEL_OPEN_CONFIRMATION => channel = reader.u32().ok(),
            msg::CHANNEL_OPEN_FAILURE => {
                reader.u32().ok()?;
                return Some(Err(String::from_utf8_lossy(reader.string().ok()?).into_owned()));
            }
            msg::CHANNEL_DATA => {
                let said = reader.string().ok()?.to_vec();
                client.channel_message(msg::CHANNEL_CLOSE, channel?);
                client.transport().receive_only(msg::CHANNEL_CLOSE)?;
                return Some(Ok(said));
            }
            msg::DISCONNECT => return None,
            _ => {}
        }
    }
}

#[test]
fn hostile_068_ways_inside_lead_to_the_gateways_ssh_server_alone() {
    let mut scene = Scene::start();
    let mut client = visitor(&scene);
    let gateway = u32::from(scene.gateway.ssh().port());
    let api = u32::from(scene.gateway.https().port());
    let own_line = way_to(&mut client, b"node1", 22).unwrap().unwrap();
    assert!(own_line.starts_with(b"SSH-2.0-"), "{own_line:?}");

    // What may be a node: the gateway's own SSH server answers, whatever else may listen there.
    for (host, port) in [
        ("nosuchnode", 22),
        ("10.0.0.7", 22),
        ("169.254.169.254", 80),
        ("metadata.google.internal", 80),
        ("fd00::7", 22),
        ("localhost", gateway),
        ("127.0.0.1", gateway),
        ("127.0.0.1", api),
        ("test", 22),
    ] {
        assert_eq!(way_to(&mut client, host.as_bytes(), port), Some(Ok(own_line.clone())), "{host}:{port}");
    }
    // What is no name of a node is refused before that, and the connection goes on.
    let long = "a".repeat(16 << 10);
    for (host, port) in [
        ("", 22),
        ("user@node1", 22),
        ("fe80::1%lo", 22),
        ("[fe80::1%25lo]", 22),
        ("node1:22", 22),
        ("-oProxyCommand=id", 22),
        ("node1\0.example", 22),
        ("node1\r\nnode2", 22),
        ("http://169.254.169.254/", 80),
        ("node1", 0),
        ("node1", 65_536 + 22),
        (&long, 22),
    ] {
        let refused = way_to(&mut client, host.as_bytes(), port).unwrap().unwrap_err();
        assert_eq!(refused, "mezite: no node has such a name", "{host:?}");
    }
    assert!(way_to(&mut client, b"\xff\xfe", 22).unwrap().is_err());
    for target in
        ["user@node1:22", "fe80::1%lo:22", "", ":22", "node1:0", "node1:22@", "node1:22@test@test", &long]
    {
        let channel = client.open_session(3).unwrap();
        let mut rest = Vec::new();
        rest.string(format!("proxy:{target}"));
        client.channel_request(channel, "subsystem", &rest);
        let outcome = client.hear_channel();
        client.channel_message(msg::CHANNEL_CLOSE, channel);
        assert_eq!(outcome.status, Some(254), "{target:?}");
        assert!(outcome.output.starts_with(b"mezite: the only subsystem here is"), "{target:?}");
    }
    assert!(way_to(&mut client, b"node1", 22).unwrap().is_ok());
    // A name of 64 KiB: more than a message may be.
    assert!(!matches!(way_to(&mut client, "a".repeat(64 << 10).as_bytes(), 22), Some(Ok(_))));

    assert_eq!(scene.sshd.connections(), 0, "nobody has authenticated inside");
    let refused = scene.mezctl.audit("request.refuse");
    assert!(refused.iter().all(|event| text(event, "actor") == "alice"), "{refused:?}");
    assert!(scene.mezctl.audit("connection.open").is_empty());
    scene.assert_alive();
}

/// 100 global requests, and one that wants no answer, on a connection that is left as it was.
fn flood_with_requests(client: &mut HostileClient) {
    let names =
        ["keepalive@openssh.com", "tcpip-forward", "hostkeys-prove-00@openssh.com", "x@example.org", ""];
    for name in names.iter().cycle().take(100) {
        let mut request = vec![msg::GLOBAL_REQUEST];
        request.string(name).bool(true).string("").u32(0);
        client.send(&request);
    }
    let mut silent = vec![msg::GLOBAL_REQUEST];
    silent.string("y@example.org").bool(false).string("no answer is wanted");
    client.send(&silent);
    // The answers stand before that of what was asked afterwards.
    assert!(client.open_session(1).is_some());
    let heard = client.transport().heard();
    assert_eq!(heard.iter().filter(|message| message[..] == [msg::REQUEST_FAILURE]).count(), 100);
}

#[test]
fn hostile_055_global_requests_are_answered_in_order_and_give_nothing() {
    let mut scene = Scene::start();
    let mut through = alice(&scene, &format!("{}@node1", scene.login));
    flood_with_requests(&mut through);
    let mut client = visitor(&scene);
    flood_with_requests(&mut client);
    let mut no_more = vec![msg::GLOBAL_REQUEST];
    no_more.string("no-more-sessions@openssh.com").bool(true);
    client.send(&no_more);
    assert_eq!(client.open_session(2), None);
    assert!(way_to(&mut client, b"node1", 22).unwrap().is_ok(), "a way is no session");
    // 1 MiB: the connection is over, and nobody else's.
    let mut large = vec![msg::GLOBAL_REQUEST];
    large.string("z@example.org").bool(true).raw(&vec![0; 1 << 20]);
    client.send(&large);
    while client.transport().receive().is_some() {}

    // A node's host keys are announced to nobody.
    let hosts = scene.scratch.join("alice_known_hosts");
    let before = std::fs::read(&hosts).unwrap();
    for way in Way::ALL {
        let options = ["-o", "UpdateHostKeys=yes", "-o", "ServerAliveInterval=1"];
        // As long as one keepalive takes.
        let said = run(scene.route_by(way).ssh(&options).arg("sleep 1.2"));
        assert_eq!(said.assert_ok().err(), "", "{way:?}");
    }
    assert_eq!(std::fs::read(&hosts).unwrap(), before);
    scene.assert_alive();
}
