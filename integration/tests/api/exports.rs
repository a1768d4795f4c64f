//! Row 88, and rows 67 and 68: what anybody may ask.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use mezite_fixtures::Scene;
use mezite_integration::hostile::{Answered, request, tls_config, try_tls};

use crate::with_root;

fn ask(scene: &Scene, request: &str) -> Answered {
    let mut stream = try_tls(&scene.gateway, tls_config(&scene.gateway, None)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.flush().unwrap();
    if request.starts_with("HEAD ") {
        let mut head = String::new();
        stream.read_to_string(&mut head).unwrap();
        assert!(head.ends_with("\r\n\r\n"), "a body behind HEAD: {head}");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        return Answered { status, head, body: Vec::new() };
    }
    Answered::read(&mut stream).unwrap()
}

#[test]
fn hostile_088_exports_give_public_keys_and_nothing_else() {
    let (mut scene, _) = with_root();
    let events = scene.mezctl.list(&["audit", "ls"]).len();
    let line = |method: &str, path: &str, fields: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n")
    };
    for path in ["/v1/ca/user.pub", "/v1/ca/openssh.pub", "/v1/ca/host.pub", "/v1/ca/known_hosts"] {
        let plain = ask(&scene, &line("GET", path, ""));
        assert_eq!(plain.status, 200, "{path}");
        let text = String::from_utf8(plain.body.clone()).unwrap();
        let is_key =
            |line: &str| line.split(' ').any(|word| word == "ssh-ed25519") && !line.contains("PRIVATE");
        assert!(text.ends_with('\n') && !text.is_empty() && text.lines().all(is_key), "{path}: {text}");
        for accept in
            ["*/*", "application/json", "text/html;q=0", "\u{7f}".trim_start_matches('\u{7f}'), "a/b,,,"]
        {
            let odd = ask(&scene, &line("GET", path, &format!("Accept: {accept}\r\n")));
            assert_eq!((odd.status, &odd.body), (200, &plain.body), "{path} {accept}");
        }
        let head = ask(&scene, &line("HEAD", path, ""));
        assert_eq!(head.status, 200, "{path}");
        assert!(head.head.contains(&format!("Content-Length: {}", plain.body.len())), "{head:?}");
        for method in ["OPTIONS", "PUT", "POST", "DELETE", "PATCH", "TRACE"] {
            let refused = ask(&scene, &line(method, path, ""));
            assert_eq!(refused.status, 405, "{method} {path}: {refused:?}");
        }
    }
    let pem = ask(&scene, &line("GET", "/v1/ca/tls.pem", ""));
    let pem = String::from_utf8(pem.body).unwrap();
    assert!(pem.contains("BEGIN CERTIFICATE") && !pem.contains("PRIVATE"), "{pem}");
    // A flood: every answer the same, and others are served meanwhile.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut stream = try_tls(&scene.gateway, tls_config(&scene.gateway, None)).unwrap();
                for _ in 0..500 {
                    assert_eq!(request(&mut stream, "GET /v1/ca/user.pub").unwrap().status, 200);
                }
            });
        }
        scene.ssh("true").assert_ok();
    });
    for path in ["/v1/nodes", "/v1/status", "/v1/audit/events", "/v1/access/explain"] {
        assert_eq!(ask(&scene, &line("GET", path, "")).status, 401, "{path}");
    }
    let public = scene.mezctl.list(&["audit", "ls"]);
    let written: Vec<_> = public.iter().skip(events).filter(|event| event["conn"].is_null()).collect();
    assert!(written.is_empty(), "exports write nothing: {written:?}");
    scene.assert_alive();
}

/// What comes back for these bytes on the SSH port, until the peer is silent for a moment or closes.
fn knock(scene: &Scene, bytes: &[u8], until: &str) -> String {
    let mut stream = TcpStream::connect(scene.gateway.ssh()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !String::from_utf8_lossy(&answer).contains(until) {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend(&piece[..count]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn hostile_067_connect_has_no_body_and_one_tunnel() {
    let (mut scene, _) = with_root();
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked", "Content-Length : 0"] {
        let request = format!("CONNECT node1:22 HTTP/1.1\r\nHost: node1:22\r\n{framing}\r\n\r\nhello");
        let answer = knock(&scene, request.as_bytes(), "\u{1}never");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{framing}: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["code"], "invalid", "{framing}: {problem}");
    }
    // SSH right behind the head: answered 200 without a length, then by the gateway's own identification, once.
    let early = b"CONNECT node1:22 HTTP/1.1\r\nHost: node1:22\r\n\r\nSSH-2.0-early\r\n";
    let answer = knock(&scene, early, "SSH-2.0-Mezite");
    let (head, rest) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    assert!(head.starts_with("HTTP/1.1 200 ") && !head.to_lowercase().contains("length"), "{head}");
    assert!(rest.starts_with("SSH-2.0-"), "{rest:?}");
    // A second CONNECT in the tunnel is no SSH: the connection ends.
    let twice = b"CONNECT node1:22 HTTP/1.1\r\n\r\nCONNECT node1:22 HTTP/1.1\r\n\r\nSSH-2.0-x\r\n";
    let answer = knock(&scene, twice, "\u{1}never");
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer:?}");
    let h2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x1e\x01\x04\0\0\0\x01:method";
    assert!(!knock(&scene, h2, "\u{1}never").contains("200"));
    // Half-closed before SSH has begun: nothing is left hanging.
    let mut half = TcpStream::connect(scene.gateway.ssh()).unwrap();
    half.write_all(b"CONNECT node1:22 HTTP/1.1\r\n\r\n").unwrap();
    half.shutdown(Shutdown::Write).unwrap();
    half.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = Vec::new();
    let _ = half.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    scene.assert_alive();
}

#[test]
fn hostile_068_connect_reaches_nothing_but_the_gateways_ssh_server() {
    let (mut scene, _) = with_root();
    let fake = mezite_fixtures::FakeNode::silent();
    let own_api = scene.gateway.https();
    for target in [
        fake.address().to_string(),
        own_api.to_string(),
        "169.254.169.254:80".to_owned(),
        "unregistered.invalid:22".to_owned(),
        "node1:9999".to_owned(),
        "[::1]:22".to_owned(),
    ] {
        let answer = knock(&scene, format!("CONNECT {target} HTTP/1.1\r\n\r\n").as_bytes(), "SSH-2.0-");
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\n\r\nSSH-2.0-"),
            "{target}: {answer:?}"
        );
    }
    for target in [
        "",
        "node1",
        "user@node1:22",
        "[fe80::1%25eth0]:22",
        "[fe80::1%eth0]:22",
        "http://node1:22",
        &"n".repeat(65_536),
    ] {
        let answer = knock(&scene, format!("CONNECT {target} HTTP/1.1\r\n\r\n").as_bytes(), "\u{1}never");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{target}: {answer:?}");
    }
    assert_eq!(fake.connections(), 0, "never an open proxy");
    // With a certificate: decided by registered nodes alone.
    let route = scene.client.route(mezite_fixtures::Way::Connect, scene.login, "unregistered.example");
    let said = mezite_fixtures::run(route.ssh::<&str>(&[]).arg("true"));
    mezite_integration::assert_refused(&said, &["access refused"]);
    scene.assert_alive();
}
