//! Before anybody has said who it is: silence, trickles, floods and noise at both ports.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use mezite_fixtures::{Gateway, Scene, eventually};
use mezite_integration::hostile::{
    Answer, HostileClient, KexInit, METHODS, Transport, certificate_name, tls,
};
use mezite_integration::noise;
use mezite_ssh::wire::msg;

/// What a connection can do, plain or over TLS.
trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// Reads until the gateway closes, by whatever means. Ends the test when it does not.
fn hear_to_close(label: &str, stream: &mut dyn Stream) -> Vec<u8> {
    let (mut heard, mut block) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut block) {
            Ok(count @ 1..) => heard.extend_from_slice(&block[..count]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("{label}: not closed")
            }
            Ok(0) | Err(_) => return heard,
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    stream.set_write_timeout(Some(Duration::from_mins(1))).unwrap();
    stream
}

/// A hello of TLS, as far as its random bytes.
const TLS_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

fn headers(count: usize) -> Vec<u8> {
    b"X-Header: y\r\n".repeat(count)
}

#[test]
fn hostile_009_noise_is_closed_at_once() {
    let mut scene = Scene::start();
    let (ssh, https) = (scene.gateway.ssh(), scene.gateway.https());
    let request =
        |line: &str, rest: &[u8]| [line.as_bytes(), b" HTTP/1.1\r\nHost: localhost\r\n", rest].concat();
    let long_line = format!("CONNECT {}:22", "a".repeat(1 << 20));
    let connect_line = "CONNECT node1:22";
    for (label, bytes, answer) in [
        ("a banner of 300 bytes", [&b"SSH-2.0-"[..], &[b'a'; 300], b"\r\n"].concat(), "SSH-2.0-"),
        ("a banner with NUL", b"SSH-2.0-a\0b\r\n".to_vec(), "SSH-2.0-"),
        ("SSH 1.5", b"SSH-1.5-old\r\n".to_vec(), "SSH-2.0-"),
        ("5 000 lines before the banner", b"hello\r\n".repeat(5000), ""),
        ("5 000 lines that begin like one", b"SSHello\r\n".repeat(5000), "SSH-2.0-"),
        ("64 MiB without a newline", [&b"SSH-2.0-"[..], &vec![b'a'; 64 << 20]].concat(), "SSH-2.0-"),
        ("64 MiB of zeros", vec![0; 64 << 20], ""),
        ("TLS", [TLS_HELLO, &noise(500, 1)].concat(), ""),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), ""),
        ("a request line of 1 MiB", request(&long_line, b"\r\n"), "HTTP/1.1 400 "),
        ("10 000 headers", request(connect_line, &headers(10_000)), "HTTP/1.1 400 "),
        ("65 headers", request(connect_line, &[&headers(65)[..], b"\r\n"].concat()), "HTTP/1.1 400 "),
        (
            "CONNECT and then noise",
            request(connect_line, &[b"\r\n", &noise(300, 2)[..]].concat()),
            "HTTP/1.1 200 ",
        ),
    ] {
        assert_closed(label, &mut connect(ssh), &bytes, answer);
    }
    for (label, bytes) in [
        ("SSH", b"SSH-2.0-x\r\n".to_vec()),
        ("plain HTTP", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("zeros", vec![0; 64 << 20]),
        ("a hello of noise", [TLS_HELLO, &noise(600, 3)].concat()),
        ("a record of 64 KiB", [&b"\x16\x03\x01\xff\xff"[..], &noise(1 << 17, 4)].concat()),
    ] {
        // At most an alert of TLS, which has seven bytes.
        let heard = say_and_hear(label, &mut connect(https), &bytes);
        assert!(heard.len() <= 7, "{label}: {heard:?}");
    }
    for (label, bytes, answer) in [
        (
            "a request line of 1 MiB",
            request(&format!("GET /{}", "a".repeat(1 << 20)), b"\r\n"),
            "HTTP/1.1 431 ",
        ),
        ("10 000 headers", request("GET /healthz", &headers(10_000)), "HTTP/1.1 431 "),
        ("101 headers", request("GET /healthz", &[&headers(101)[..], b"\r\n"].concat()), "HTTP/1.1 431 "),
        (
            "1 GiB announced",
            request("POST /v1/nodes", b"Content-Length: 1073741824\r\n\r\n"),
            "HTTP/1.1 413 ",
        ),
        ("chunks", request("POST /v1/nodes", b"Transfer-Encoding: chunked\r\n\r\n"), "HTTP/1.1 411 "),
        ("SSH inside TLS", b"SSH-2.0-x\r\n\r\n".to_vec(), "HTTP/1.1 400 "),
        (
            "CONNECT and then noise",
            request(connect_line, &[b"\r\n", &noise(300, 5)[..]].concat()),
            "HTTP/1.1 400 ",
        ),
    ] {
        assert_closed(label, &mut tls(&scene, connect(https)), &bytes, answer);
    }
    assert_eq!(scene.sshd.connections(), 0);
    scene.assert_alive();
}

/// Says these bytes, or as many as the gateway takes, and hears what it says until it closes.
fn say_and_hear(label: &str, stream: &mut dyn Stream, bytes: &[u8]) -> Vec<u8> {
    // It may close before it has read them all, and then no answer may get through either.
    let _ = stream.write_all(bytes).and_then(|()| stream.flush());
    hear_to_close(label, stream)
}

#[track_caller]
fn assert_closed(label: &str, stream: &mut dyn Stream, bytes: &[u8], answer: &str) {
    let heard = say_and_hear(label, stream, bytes);
    let text = String::from_utf8_lossy(&heard);
    assert!(heard.is_empty() || (!answer.is_empty() && text.starts_with(answer)), "{label}: {text:?}");
    assert!(heard.len() < 2000, "{label}: {} bytes", heard.len());
}

/// Says one byte a second, the same ones again and again, until the gateway closes. Ends the test when it does not.
fn trickle(label: &str, stream: &mut dyn Stream, bytes: &[u8]) {
    for byte in bytes.iter().cycle().take(90) {
        if stream.write_all(&[*byte]).and_then(|()| stream.flush()).is_err() {
            return;
        }
        thread::sleep(Duration::from_secs(1));
    }
    panic!("{label}: not closed");
}

#[test]
fn hostile_009_silence_and_trickles_end_at_a_deadline() {
    let mut scene = Scene::start();
    let (ssh, https) = (scene.gateway.ssh(), scene.gateway.https());
    let scene_ref = &scene;
    thread::scope(|scope| {
        for (label, bytes) in [
            ("silence", &b""[..]),
            ("half a line", b"SSH-2.0-hostile"),
            ("half a request", b"CONNECT node1:22 HTTP/1.1\r\nHost: x\r\n"),
            ("CONNECT and then nothing", b"CONNECT node1:22 HTTP/1.1\r\n\r\n"),
            ("a line and then nothing", b"SSH-2.0-hostile\r\n"),
        ] {
            scope.spawn(move || say_and_hear(label, &mut connect(ssh), bytes));
        }
        scope.spawn(move || {
            trickle("a slow line", &mut connect(ssh), &[b"SSH-2.0-", &[b'a'; 200][..]].concat());
        });
        scope.spawn(move || {
            trickle("a slow request", &mut connect(ssh), &[b"CONNECT ", &[b'a'; 200][..]].concat());
        });
        for (label, bytes) in [("silence", &b""[..]), ("half a hello", TLS_HELLO)] {
            scope.spawn(move || say_and_hear(label, &mut connect(https), bytes));
        }
        scope.spawn(move || {
            trickle("a slow hello", &mut connect(https), &[TLS_HELLO, &[0; 200][..]].concat());
        });
        for (label, bytes) in [
            ("silence inside TLS", &b""[..]),
            ("half a request", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"),
            (
                "a body that does not come",
                b"POST /v1/nodes HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
            ),
        ] {
            scope.spawn(move || say_and_hear(label, &mut tls(scene_ref, connect(https)), bytes));
        }
        scope.spawn(move || trickle("a slow request", &mut tls(scene_ref, connect(https)), &[b'G'; 200]));
        // Nobody else waits for them.
        for _ in 0..3 {
            scene_ref.ssh("true").assert_ok();
        }
    });
    scene.assert_alive();
}

#[test]
fn hostile_009_floods_of_silent_connections_keep_nobody_out() {
    let mut scene = Scene::start();
    let (ssh, https) = (scene.gateway.ssh(), scene.gateway.https());
    let before = open_files(&scene.gateway);
    let sources = [1, 5, 6].map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)));
    let mut held = Vec::new();
    for source in sources {
        held.extend((0..500).map(|_| Transport::connect_from(source, ssh)));
        held.extend((0..500).map(|_| Transport::connect_from(source, https)));
        // Also while the same source holds more than its share.
        scene.ssh("true").assert_ok();
        assert!(tls(&scene, connect(https)).write_all(b"GET /healthz HTTP/1.1\r\n").is_ok());
    }
    // What is waited for is bounded: beyond that, those who wait longest or at random are sent away.
    let open = eventually("the flood to be bounded", || {
        Some(open_files(&scene.gateway) - before).filter(|open| *open <= 3 * 128 + 3 * 256 + 20)
    });
    assert!(open >= 100, "{open}: the connections were held");
    assert!(
        scene.gateway.log().lines().count() < 50,
        "a flood is not logged line by line:\n{}",
        scene.gateway.log()
    );
    drop(held);
    eventually("the connections to be forgotten", || (open_files(&scene.gateway) <= before).then_some(()));
    scene.assert_alive();
}

/// How many descriptors the gateway has open.
fn open_files(gateway: &Gateway) -> usize {
    fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count()
}

/// A client that goes so far and no further.
fn go_as_far_as(stage: usize, gateway: SocketAddr) -> Transport {
    let mut transport = Transport::connect(gateway);
    if stage >= 1 {
        assert!(transport.exchange_lines());
    }
    if stage >= 2 {
        transport.propose(&KexInit::new(&certificate_name("ssh-ed25519")));
    }
    if stage >= 3 {
        assert!(transport.hear_proposal());
        transport.begin();
    }
    if stage >= 4 {
        // The server's part is heard; ours, NEWKEYS, is not said.
        assert!(transport.receive_only(msg::NEWKEYS).is_some());
    }
    transport
}

const STAGES: [&str; 5] = ["nothing", "the line", "the proposal", "the key", "all but NEWKEYS"];

#[test]
fn hostile_026_deadlines_of_the_handshake_end_every_stage() {
    let mut scene = Scene::start();
    let gateway = scene.gateway.ssh();
    thread::scope(|scope| {
        for (stage, label) in STAGES.iter().enumerate() {
            scope.spawn(move || {
                let mut transport = go_as_far_as(stage, gateway);
                hear_to_close(label, transport.stream());
            });
        }
        scene.ssh("true").assert_ok();
    });
    scene.assert_alive();
}

#[test]
fn hostile_026_clients_that_vanish_leave_nothing_behind() {
    let mut scene = Scene::start();
    let gateway = scene.gateway.ssh();
    scene.ssh("true").assert_ok();
    let before = open_files(&scene.gateway);
    for round in 0..400 {
        for stage in 0..STAGES.len() {
            // The first stages cost nearly nothing, the later ones a key exchange.
            if stage < 2 || round % 10 == 0 {
                drop(go_as_far_as(stage, gateway));
            }
        }
        if round % 20 == 0 {
            let mut client = HostileClient::connect(gateway);
            client.request(b"root@node1", "ssh-connection", "none", b"");
            if round % 40 == 0 {
                assert_eq!(client.answer(), Answer::Failure(METHODS.to_owned(), false));
            }
        }
    }
    eventually("every descriptor to be given back", || (open_files(&scene.gateway) <= before).then_some(()));
    assert_eq!(scene.sshd.connections(), 1);
    scene.assert_alive();
}
