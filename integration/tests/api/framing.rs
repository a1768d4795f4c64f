//! Rows 66, 69 and 72: requests that two readers could read in two ways.

use std::io::{Read as _, Write as _};

use mezite_fixtures::Scene;
use mezite_integration::hostile::{Answered, Shown, tls_as, tls_config, try_tls};

use crate::{credentials, with_root};

/// Everything that comes back for these bytes, until the gateway closes.
fn send(scene: &Scene, shown: Option<Shown>, bytes: &[u8]) -> String {
    let mut stream = try_tls(&scene.gateway, tls_config(&scene.gateway, shown)).unwrap();
    // The gateway may close before all is written.
    let _ = stream.write_all(bytes).and_then(|()| stream.flush());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no status: {answer:?}"))
}

/// A request that must never be seen.
fn hidden(name: &str) -> String {
    let body = format!("{{\"name\":\"{name}\",\"roles\":[\"admin\"]}}");
    format!("POST /v1/users HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn hostile_066_the_hidden_request_never_runs() {
    let (mut scene, root) = with_root();
    let events = scene.mezctl.list(&["audit", "ls"]).len();
    let smuggled = hidden("smuggled");
    let length = smuggled.len();
    let post = "POST /v1/locks HTTP/1.1\r\nHost: localhost\r\n";
    for (label, request) in [
        (
            "length and coding",
            format!("{post}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "coding and length",
            format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
        ),
        ("coding", format!("{post}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("chunk size overflow", format!("{post}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n")),
        ("obscure coding", format!("{post}Transfer-Encoding:\x0bchunked\r\n\r\n")),
        ("two lengths", format!("{post}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n")),
        ("the same length twice", format!("{post}Content-Length: 0\r\nContent-Length: 0\r\n\r\n")),
        ("list of lengths", format!("{post}Content-Length: 0, 0\r\n\r\n")),
        ("signed length", format!("{post}Content-Length: +0\r\n\r\n")),
        ("blank before the colon", format!("{post}Content-Length : {length}\r\n\r\n")),
        ("folded line", format!("{post}X: a\r\n Content-Length: {length}\r\n\r\n")),
        ("bare LF", format!("{post}X: a\nContent-Length: {length}\r\n\r\n")),
        ("bare LF all through", "POST /v1/locks HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n".to_owned()),
        ("bare CR", format!("{post}X: a\rContent-Length: {length}\r\n\r\n")),
        ("body over the cap", format!("{post}Content-Length: 1048577\r\n\r\n")),
        ("endless length", format!("{post}Content-Length: 99999999999999999999\r\n\r\n")),
    ] {
        let answer = send(&scene, Some(Shown::at(&root)), format!("{request}{smuggled}").as_bytes());
        assert!([400, 411, 413].contains(&status(&answer)), "{label}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{label}: one answer and the end: {answer}");
        assert!(answer.contains("Connection: close"), "{label}: {answer}");
    }
    assert_eq!(scene.mezctl.list(&["audit", "ls"]).len(), events, "nothing was done");
    scene.mezctl.run(&["users", "get", "smuggled"]).assert_code(4);
    // The same bytes behind a request that is in order are a request of their own.
    let in_order = format!("GET /v1/users HTTP/1.1\r\nHost: localhost\r\n\r\n{}", hidden("seen"));
    let mut stream = tls_as(&scene.gateway, Shown::at(&root));
    stream.write_all(in_order.as_bytes()).unwrap();
    assert_eq!(Answered::read(&mut stream).unwrap().status, 200);
    assert_eq!(Answered::read(&mut stream).unwrap().status, 201);
    scene.assert_alive();
}

#[test]
fn hostile_069_what_routes_is_what_is_authorised() {
    let (mut scene, root) = with_root();
    let alice = credentials(&scene, "alice", "1h");
    let get = |target: &str, fields: &str, shown: Option<Shown>| {
        send(
            &scene,
            shown,
            format!("{target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n").as_bytes(),
        )
    };
    for target in [
        "GET /v1/ca/..%2fusers",
        "GET /v1/ca/%2e%2e/users",
        "GET /v1/ca/../users",
        "GET /v1/ca/%252e%252e/users",
        "GET //v1/users",
        "GET /v1//users",
        "GET /v1/users/",
        "GET /v1/users.",
        "GET /V1/users",
        "GET /v1/users%00",
        "GET /v1/users;x",
        "GET /v1/users\\x",
        "GET /v1/us%65rs",
        "GET http://localhost/v1/users",
        "GET *",
        "get /v1/users",
        "Get /v1/users",
        "TRACE /v1/users",
    ] {
        for shown in [None, Some(Shown::at(&root))] {
            let answer = get(target, "", shown);
            assert!([400, 404, 405].contains(&status(&answer)), "{target}: {answer}");
        }
    }
    let spoofed = "X-HTTP-Method-Override: DELETE\r\nX-Method-Override: DELETE\r\nX-Forwarded-For: 192.0.2.9\r\n\
                   X-Forwarded-Host: evil\r\nX-Original-URL: /v1/users\r\nForwarded: for=192.0.2.9\r\n";
    assert_eq!(status(&get("GET /v1/users/alice", spoofed, Some(Shown::at(&root)))), 200);
    assert_eq!(status(&get("GET /healthz", spoofed, None)), 200, "another URL in a field is not looked at");
    scene.mezctl.ok(&["users", "get", "alice"]);
    assert_eq!(status(&get("GET /v1/users", spoofed, Some(Shown::at(&alice)))), 403);
    let refused = scene.mezctl.audit("access.refuse").pop().unwrap();
    assert!(refused["source"].as_str().unwrap().starts_with("127.0.0.1:"), "{refused}");
    let wrong_host = "GET /v1/users HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&send(&scene, Some(Shown::at(&alice)), wrong_host.as_bytes())), 403);
    scene.assert_alive();
}

#[test]
fn hostile_072_http_2_is_not_spoken() {
    let (mut scene, root) = with_root();
    let mut config = tls_config(&scene.gateway, Some(Shown::at(&root)));
    config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(try_tls(&scene.gateway, config).is_err(), "no protocol in common");
    let mut config = tls_config(&scene.gateway, Some(Shown::at(&root)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = try_tls(&scene.gateway, config).unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(b"http/1.1".as_slice()));
    // The preface and frames by those who do not ask: SETTINGS, PING, RST_STREAM and HEADERS, 10,000 of them.
    let frames = b"\0\0\0\x04\0\0\0\0\0".repeat(10_000);
    let flood = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frames].concat();
    for _ in 0..20 {
        let answer = send(&scene, Some(Shown::at(&root)), &flood);
        assert!(answer.is_empty() || [400, 501, 505].contains(&status(&answer)), "{answer}");
        assert!(answer.matches("Content-Length").count() <= 1, "{answer}");
    }
    let upgrade = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n\
                   HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    assert_eq!(status(&send(&scene, None, upgrade.as_bytes())), 200, "an upgrade is passed over");
    scene.assert_alive();
}
