//! Where a client comes from: certificates bound to addresses, and headers of the PROXY protocol.

use std::net::{IpAddr, Ipv4Addr};

use mezite_fixtures::{GatewayOptions, RawClient, SceneOptions};
use mezite_integration::assert_one_event;
use mezite_integration::hostile::{Answer, HostileClient, METHODS, Theft, Transport, list, option};

/// The load balancer's address, so to speak; stock ssh comes from 127.0.0.1.
const BALANCER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// A scene whose gateway takes headers of the PROXY protocol from the load balancer.
fn behind_balancer() -> Theft {
    let gateway = GatewayOptions {
        arguments: vec!["--proxy-protocol-from".to_owned(), BALANCER.to_string()],
        ..GatewayOptions::default()
    };
    Theft::with(SceneOptions { gateway, ..SceneOptions::default() })
}

/// A header of version 2: command and family, the client's address, port 12345.
fn header(command: u8, family: u8, client: &[u8]) -> Vec<u8> {
    let destination = vec![127; client.len()];
    let body = [client, &destination, &12_345u16.to_be_bytes(), &22u16.to_be_bytes()].concat();
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, &body].concat()
}

/// A header of a client at an IPv4 address.
fn header_of(client: [u8; 4]) -> Vec<u8> {
    header(0x21, 0x11, &client)
}

/// A certificate of alice's for these addresses, in its encoded form.
fn bound_to(theft: &Theft, list_of_addresses: &str) -> Vec<u8> {
    let critical = option("source-address", list([list_of_addresses]));
    theft.good().with(|c| c.critical = critical).signed(&theft.keys.user)
}

/// A way in: its name, how to come in, and the user name to node1.
type Way<'a> = (&'a str, &'a dyn Fn() -> HostileClient, String);

#[test]
fn hostile_023_source_addresses_are_those_of_the_true_peer() {
    let mut theft = behind_balancer();
    let gateway = theft.scene.gateway.ssh();
    let login = theft.scene.login;
    let direct = || HostileClient::connect(gateway);
    let connect =
        || HostileClient::connect_saying(Transport::connect(gateway), b"CONNECT node1:22 HTTP/1.1\r\n\r\n");
    let balanced = || {
        HostileClient::connect_saying(Transport::connect_from(BALANCER, gateway), &header_of([192, 0, 2, 7]))
    };
    let balanced_connect = || {
        let prelude = [&header_of([192, 0, 2, 7])[..], b"CONNECT node1:22 HTTP/1.1\r\n\r\n"].concat();
        HostileClient::connect_saying(Transport::connect_from(BALANCER, gateway), &prelude)
    };
    let ways: [Way<'_>; 4] = [
        ("direct", &direct, format!("{login}@node1")),
        ("CONNECT", &connect, login.to_owned()),
        ("balanced", &balanced, format!("{login}@node1")),
        ("balanced CONNECT", &balanced_connect, login.to_owned()),
    ];
    // Which of the ways each list lets in.
    let local: [bool; 4] = [true, true, false, false];
    let remote = local.map(|is_local| !is_local);
    for (addresses, lets_in) in [
        ("127.0.0.1", local),
        ("10.0.0.0/8,127.0.0.0/8", local),
        ("::ffff:127.0.0.1", local),
        ("0.0.0.0/0", [true; 4]),
        ("192.0.2.0/24", remote),
        ("192.0.2.7,198.51.100.1", remote),
        ("::ffff:192.0.2.0/120", remote),
        ("127.0.0.2", [false; 4]),
        ("10.0.0.0/8", [false; 4]),
        ("::/0", [false; 4]),
        // Wrong lists: one that is wrong spoils the rest.
        ("127.0.0.1,x,192.0.2.7", [false; 4]),
        ("127.0.0.1/33,192.0.2.7", [false; 4]),
        ("127.0.0.1/8,192.0.2.7/8", [false; 4]),
        ("127.0.0.1,,192.0.2.7", [false; 4]),
        ("127.0.0.1 ,192.0.2.7 ", [false; 4]),
        ("!10.0.0.1,127.0.0.1,192.0.2.7", [false; 4]),
        ("*", [false; 4]),
    ] {
        let blob = bound_to(&theft, addresses);
        for ((way, open, user), lets_in) in ways.iter().zip(lets_in) {
            let label = format!("{addresses}, {way}");
            // Twice: nothing is remembered from one connection to the next.
            for _ in 0..2 {
                let answer = open().authenticate(user, &blob, &theft.subject);
                let expected =
                    if lets_in { Answer::Success } else { Answer::Failure(METHODS.to_owned(), false) };
                assert_eq!(answer, expected, "{label}");
            }
        }
    }
    let refusals = theft.scene.mezctl.audit("cert.refuse");
    assert!(refusals.iter().all(|event| event["reason"] == "source_address"), "{refusals:#?}");
    theft.scene.assert_alive();
}

#[test]
fn hostile_027_headers_of_listed_peers_name_the_client() {
    let mut theft = behind_balancer();
    let gateway = theft.scene.gateway.ssh();
    let blob = theft.good().signed(&theft.keys.user);
    let user = format!("{}@node1", theft.scene.login);
    let v6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    let mapped = [&[0; 10][..], &[0xff, 0xff, 192, 0, 2, 9]].concat();
    for (label, header, source) in [
        ("IPv4", header_of([192, 0, 2, 7]), Some("192.0.2.7:12345")),
        ("IPv6", header(0x21, 0x21, &v6), Some("[2001:db8::7]:12345")),
        ("IPv4 in IPv6", header(0x21, 0x21, &mapped), Some("192.0.2.9:12345")),
        ("LOCAL", header(0x20, 0x00, &[]), None),
    ] {
        let mut client = HostileClient::connect_saying(Transport::connect_from(BALANCER, gateway), &header);
        assert_eq!(client.authenticate(&user, &blob, &theft.subject), Answer::Success, "{label}");
        let source = source.map_or_else(|| client.source().to_string(), str::to_owned);
        assert_one_event(&theft.scene, "connection.open", &[("source", &source), ("actor", "alice")]);
    }
    // A lock of an address is one of the client's, not of the balancer's.
    theft.scene.mezctl.ok(&["locks", "add", "--source-ip=192.0.2.66"]);
    for (client, is_locked) in [([192, 0, 2, 66], true), ([192, 0, 2, 67], false)] {
        let transport = Transport::connect_from(BALANCER, gateway);
        let mut hostile = HostileClient::connect_saying(transport, &header_of(client));
        let answer = hostile.authenticate(&user, &blob, &theft.subject);
        assert_eq!(answer == Answer::Success, !is_locked, "{client:?}: {answer:?}");
    }
    theft.scene.assert_alive();
}

#[test]
fn hostile_027_headers_that_are_not_taken() {
    let mut theft = behind_balancer();
    let gateway = theft.scene.gateway.ssh();
    let good = header_of([192, 0, 2, 7]);
    let cut = |label: &str, source: IpAddr, bytes: &[u8]| {
        let mut transport = Transport::connect_from(source, gateway);
        transport.say(bytes);
        transport.say(b"SSH-2.0-hostile\r\n");
        let said = transport.hear_to_close();
        // Whoever says SSH- first may hear a line before the rest turns out to be none.
        assert!(said.is_empty() || said.starts_with(b"SSH-2.0-"), "{label}: {said:?}");
        assert!(said.len() < 2000, "{label}: {} bytes", said.len());
    };
    let stranger = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut longest = header_of([192, 0, 2, 7]);
    longest[14..16].copy_from_slice(&[0xff, 0xff]);
    for (label, bytes) in [
        ("none where one is required", vec![]),
        ("version 1", b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 22\r\n".to_vec()),
        ("a length of 65 535", [&longest[..], &vec![0; 70_000]].concat()),
        ("twice", [&good[..], &good].concat()),
        ("class E", header_of([250, 0, 2, 7])),
        ("broadcast", header_of([255; 4])),
        ("multicast", header_of([224, 0, 0, 1])),
        ("unspecified", header_of([0; 4])),
        ("class E in IPv6", header(0x21, 0x21, &[&[0; 10][..], &[0xff, 0xff, 250, 0, 2, 9]].concat())),
        ("UDP", header(0x21, 0x12, &[192, 0, 2, 7])),
        ("a Unix socket", header(0x21, 0x31, &[0; 108])),
        ("an unknown command", header(0x22, 0x11, &[192, 0, 2, 7])),
        ("an unknown version", header(0x31, 0x11, &[192, 0, 2, 7])),
        ("half an address", [&good[..14], &[0, 2, 192, 0]].concat()),
    ] {
        cut(label, BALANCER, &bytes);
    }
    for (label, bytes) in [
        ("from an unlisted peer", good.clone()),
        ("version 1 from an unlisted peer", b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 22\r\n".to_vec()),
        ("after the identification", [b"SSH-2.0-x\r\n", &good[..]].concat()),
        ("after CONNECT", [b"CONNECT node1:22 HTTP/1.1\r\n\r\n", &good[..]].concat()),
    ] {
        if label == "after CONNECT" {
            let mut client = RawClient::connect(gateway);
            client.say(&bytes).unwrap();
            assert!(client.line().starts_with("HTTP/1.1 200"), "{label}");
            client.finish();
            client.read_to_close();
        } else {
            cut(label, stranger, &bytes);
        }
    }
    let forged: Vec<_> = theft
        .scene
        .mezctl
        .list(&["audit", "ls"])
        .into_iter()
        .filter(|event| event["source"].as_str().is_some_and(|source| source.starts_with("192.0.2.")))
        .collect();
    assert!(forged.iter().all(|event| event["reason"] == "protocol"), "{forged:#?}");
    theft.scene.assert_alive();
}
