use super::*;

fn parse(head: &str) -> Result<Head, HeadError> {
    Head::parse(head.as_bytes())
}

fn error(head: &str) -> HeadError {
    parse(head).expect_err(head)
}

#[test]
fn a_plain_request_is_taken_apart() {
    let head = parse(
        "POST /v1/nodes?labels=env%3Dprod&x=a+b HTTP/1.1\r\nHost: gateway:3080\r\nContent-Length: 12\r\n\
         Expect: 100-continue\r\nConnection: keep-alive, Close\r\nIf-None-Match: \"abc\"\r\n\r\n",
    )
    .unwrap();
    assert_eq!((head.method, head.path.as_str(), head.body_len), (Method::Post, "/v1/nodes", 12));
    assert_eq!(head.query.get("labels"), Some("env=prod"));
    assert_eq!(head.query.get("x"), Some("a b"));
    assert!(head.expects_continue && head.close);
    assert_eq!(head.if_none_match.as_deref(), Some("\"abc\""));
}

#[test]
fn http_1_0_closes_and_needs_no_host() {
    assert!(parse("GET /healthz HTTP/1.0\r\n\r\n").unwrap().close);
    assert_eq!(error("GET /healthz HTTP/1.1\r\n\r\n"), HeadError::Malformed("no Host"));
    assert_eq!(error("GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n"), HeadError::UnknownVersion);
}

#[test]
fn framing_that_two_readers_could_see_differently_is_refused() {
    let bad = [
        "Content-Length: 1\r\nTransfer-Encoding: chunked",
        "Content-Length: 1\r\nContent-Length: 1",
        "Content-Length: 1, 1",
        "Content-Length: +1",
        "Content-Length: 0x1",
        "Content-Length:",
        "Content-Length : 1",
        " Content-Length: 1",
        "X: a\r\n folded",
        "X: a\nContent-Length: 1",
        "X: a\rContent-Length: 1",
        "X: a\0b",
        "no colon",
        ": no name",
        "Host: twice",
    ];
    for fields in bad {
        let head = format!("POST /v1/nodes HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        assert!(matches!(error(&head), HeadError::Malformed(_)), "{fields:?}");
    }
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(error(chunked), HeadError::LengthRequired);
}

#[test]
fn bodies_are_bounded() {
    let with = |length: &str| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    assert_eq!(parse(&with("1048576")).unwrap().body_len, BODY_MAX);
    assert_eq!(error(&with("1048577")), HeadError::BodyTooLarge);
    assert_eq!(error(&with("99999999999999999999999")), HeadError::BodyTooLarge);
}

#[test]
fn paths_mean_one_thing_only() {
    for path in ["/%2e%2e/x", "/a//b", "/a/../b", "/./a", "/a/", "//", "/a\\b", "*", "http://a/", "/a#b"] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(matches!(error(&head), HeadError::Malformed(_)), "{path}");
    }
    let fine = "GET /v1/users/a.b+c@d_e HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(parse(fine).unwrap().path, "/v1/users/a.b+c@d_e");
}

#[test]
fn heads_are_bounded() {
    let many = "X: y\r\n".repeat(FIELDS_MAX);
    assert_eq!(error(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")), HeadError::HeadTooLarge);
    let long = "y".repeat(HEAD_MAX);
    assert_eq!(error(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n")), HeadError::HeadTooLarge);
}

#[test]
fn odd_request_lines_are_refused() {
    for line in ["", "GET", "GET /", "GET / HTTP/1.1 x", "GET  / HTTP/1.1", "GET / http/1.1"] {
        assert!(matches!(error(&format!("{line}\r\nHost: a\r\n\r\n")), HeadError::Malformed(_)), "{line}");
    }
    // Methods are case-sensitive: this is another one.
    assert_eq!(parse("get / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().method, Method::Other);
    assert!(matches!(error("G@T / HTTP/1.1\r\nHost: a\r\n\r\n"), HeadError::Malformed(_)));
}

#[test]
fn the_end_of_the_head_is_found() {
    assert_eq!(head_len(b"GET / HTTP/1.1\r\n"), None);
    assert_eq!(head_len(b"GET / HTTP/1.1\r\n\r\nbody"), Some(18));
}
