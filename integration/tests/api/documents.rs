//! Rows 70, 85 and 86: documents, lists and revisions.

use std::io::Write as _;

use mezite_fixtures::Scene;
use mezite_integration::hostile::{Answered, Shown, Tls, request, tls_as};
use serde_json::{Value, json};

use crate::with_root;

/// Sends a request with a body.
fn send(stream: &mut Tls, line: &str, fields: &str, body: &[u8]) -> Answered {
    let head =
        format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    stream.flush().unwrap();
    Answered::read(stream).unwrap()
}

fn json_to(stream: &mut Tls, line: &str, fields: &str, body: &Value) -> Answered {
    send(stream, line, fields, body.to_string().as_bytes())
}

#[test]
fn hostile_070_bodies_that_are_no_documents() {
    let (mut scene, root) = with_root();
    let events = scene.mezctl.list(&["audit", "ls"]).len();
    let deep = format!("{{\"name\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = format!("{{\"name\":\"a\",\"roles\":[{}\"admin\"]}}", "\"admin\",".repeat(100_000));
    for (label, body, field) in [
        ("deep", deep.as_bytes(), None),
        ("wide", wide.as_bytes(), Some("roles")),
        ("twice", br#"{"name":"a","name":"b","roles":[]}"#, Some("name")),
        ("twice inside", br#"{"name":"a","traits":{"t":[],"t":[]}}"#, Some("traits.t")),
        ("huge number", br#"{"name":1e999}"#, None),
        ("unknown", br#"{"name":"a","roles":[],"superuser":true}"#, Some("superuser")),
        ("wrong type", br#"{"name":"a","roles":"admin"}"#, Some("roles")),
        ("BOM", b"\xef\xbb\xbf{\"name\":\"a\"}", None),
        ("trailing", br#"{"name":"a"} {"name":"b"}"#, None),
        ("bad UTF-8", b"{\"name\":\"\xff\"}", None),
        ("lone surrogate", br#"{"name":"\ud800"}"#, None),
        ("NUL", br#"{"name":"a\u0000b"}"#, Some("user")),
        ("empty", b"", None),
        ("array", b"[]", None),
    ] {
        let answer = send(&mut tls_as(&scene.gateway, Shown::at(&root)), "POST /v1/users", "", body);
        assert_eq!(answer.status, 400, "{label}: {answer:?}");
        let problem = answer.json();
        assert_eq!(problem["code"], "invalid", "{label}");
        if let Some(field) = field {
            assert_eq!(problem["field"], field, "{label}: {problem}");
        }
    }
    for length in ["1048577", "1073741824"] {
        let mut stream = tls_as(&scene.gateway, Shown::at(&root));
        let head = format!("POST /v1/users HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{{");
        stream.write_all(head.as_bytes()).unwrap();
        assert_eq!(Answered::read(&mut stream).unwrap().status, 413);
    }
    assert_eq!(scene.mezctl.list(&["audit", "ls"]).len(), events, "nothing is stored");
    scene.assert_alive();
}

/// All of a list, by pages of `limit`, with what `between` does after each.
fn pages(stream: &mut Tls, path: &str, limit: usize, mut between: impl FnMut(&[Value])) -> Vec<Value> {
    let (mut all, mut target) = (Vec::new(), format!("{path}?limit={limit}"));
    loop {
        let answer = request(stream, &format!("GET {target}")).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let page: Vec<Value> = serde_json::from_value(answer.json()).unwrap();
        assert!(page.len() <= limit);
        between(&page);
        all.extend(page);
        match answer
            .head
            .lines()
            .find_map(|line| line.strip_prefix("Link: <")?.strip_suffix(">; rel=\"next\""))
        {
            Some(next) => next.clone_into(&mut target),
            None => return all,
        }
    }
}

fn names(listed: &[Value]) -> Vec<String> {
    listed.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn hostile_085_names_are_exact_and_pages_whole() {
    let (mut scene, root) = with_root();
    for name in ["prod", "prod-2", "prod.x", "prod+y"] {
        scene.mezctl.ok(&["users", "add", name, "--roles=auditor"]);
    }
    scene.mezctl.run(&["users", "add", "Prod", "--roles=auditor"]).assert_code(5);
    let mut stream = tls_as(&scene.gateway, Shown::at(&root));
    let everybody = ["alice", "prod", "prod+y", "prod-2", "prod.x", "root"];
    for limit in 1..=7 {
        assert_eq!(names(&pages(&mut stream, "/v1/users", limit, |_| ())), everybody, "{limit}");
    }
    // What a page has ended with is removed, and what is before it comes back: neither changes what follows.
    let (mut round, mezctl) = (0, scene.mezctl.clone());
    let walked = pages(&mut stream, "/v1/users", 2, |_| {
        round += 1;
        if round == 1 {
            mezctl.ok(&["users", "rm", "prod"]);
            mezctl.ok(&["users", "add", "aaron", "--roles=auditor"]);
        }
    });
    assert_eq!(names(&walked), everybody);
    scene.mezctl.run(&["users", "get", "prod"]).assert_code(4);
    for name in ["prod-2", "prod.x", "prod+y"] {
        scene.mezctl.ok(&["users", "get", name]);
    }
    scene.mezctl.ok(&["users", "add", "prod", "--roles=admin"]);
    scene.mezctl.ok(&["users", "update", "prod-2", "--set-roles=admin"]);
    let neighbour = crate::shown(&scene, "prod-2");
    let theirs = crate::shown(&scene, "prod");
    scene.mezctl.ok(&["locks", "add", "--user=prod"]);
    assert_eq!(request(&mut tls_as(&scene.gateway, theirs), "GET /v1/users").unwrap().status, 403);
    assert_eq!(request(&mut tls_as(&scene.gateway, neighbour), "GET /v1/users").unwrap().status, 200);

    let first = request(&mut stream, "GET /v1/users?limit=1").unwrap();
    let cursor = first.head.split_once("cursor=").unwrap().1.split('>').next().unwrap().to_owned();
    for target in [
        format!("/v1/roles?cursor={cursor}"),
        format!("/v1/users?cursor=x{cursor}"),
        "/v1/users?cursor=cHJvZA".to_owned(),
        "/v1/users?limit=0".to_owned(),
        "/v1/audit/events?after_seq=x".to_owned(),
    ] {
        assert_eq!(request(&mut stream, &format!("GET {target}")).unwrap().status, 400, "{target}");
    }
    nodes_by_pages(&scene, &mut stream);
    scene.assert_alive();
}

fn nodes_by_pages(scene: &Scene, stream: &mut Tls) {
    for name in ["Web-1", "app", "web-2", "Db"] {
        scene.add_node(name);
    }
    for limit in [1, 2, 3, 100] {
        let listed = pages(stream, "/v1/nodes", limit, |_| ());
        let names: Vec<_> = listed.iter().map(|node| node["spec"]["hostname"].as_str().unwrap()).collect();
        assert_eq!(names, ["app", "Db", "node1", "Web-1", "web-2"], "{limit}");
    }
}

#[test]
fn hostile_086_who_saves_second_loses() {
    let (mut scene, root) = with_root();
    let mut stream = tls_as(&scene.gateway, Shown::at(&root));
    let seen = request(&mut stream, "GET /v1/users/alice").unwrap();
    let revision = seen.json()["revision"].as_u64().unwrap();
    let etag = format!("\"{revision}\"");
    assert!(seen.head.contains(&format!("ETag: {etag}")), "{seen:?}");
    let if_match = format!("If-Match: {etag}\r\n");
    let patch = "PATCH /v1/users/alice";
    let first = json_to(&mut stream, patch, &if_match, &json!({"logins": ["first"]}));
    assert_eq!(first.status, 200, "{first:?}");
    let second = json_to(&mut stream, patch, &if_match, &json!({"logins": ["second"]}));
    assert_eq!((second.status, second.json()["code"].as_str()), (412, Some("conflict")));
    let second = json_to(&mut stream, patch, "", &json!({"logins": ["second"], "revision": revision}));
    assert_eq!(second.status, 409, "{second:?}");
    let both = json_to(&mut stream, patch, &if_match, &json!({"revision": revision + 1}));
    assert_eq!(both.status, 400, "{both:?}");
    for tag in ["x", "\"x\"", "W/\"1\"", "\"1\", \"2\""] {
        let answer = json_to(&mut stream, patch, &format!("If-Match: {tag}\r\n"), &json!({}));
        assert_eq!(answer.status, 400, "{tag}: {answer:?}");
    }
    // A field that this release does not know is not dropped on the way.
    assert_eq!(json_to(&mut stream, patch, "", &json!({"quota": 1})).status, 400);
    assert_eq!(scene.mezctl.json(&["users", "get", "alice"])["logins"], json!(["first"]));

    // Removed and made again: another one.
    scene.mezctl.ok(&["users", "rm", "alice"]);
    scene.mezctl.ok(&["users", "add", "alice", "--roles=auditor"]);
    let current = request(&mut stream, "GET /v1/users/alice").unwrap().json();
    assert_ne!(current["id"], seen.json()["id"]);
    let stale = json_to(&mut stream, patch, &if_match, &json!({"roles": ["admin"]}));
    assert_eq!(stale.status, 412, "{stale:?}");
    assert_eq!(json_to(&mut stream, "DELETE /v1/users/alice", &if_match, &json!({})).status, 412);

    let role = |text: &str, revision: Option<u64>| {
        let yaml = format!("kind: role\nmetadata: {{name: dev}}\nspec: {{allow: {{logins: [{text}]}}}}\n");
        json!({"yaml": yaml, "replace": true, "revision": revision})
    };
    let seen = request(&mut stream, "GET /v1/roles/dev").unwrap().json()["revision"].as_u64().unwrap();
    assert_eq!(json_to(&mut stream, "POST /v1/roles", "", &role("one", Some(seen))).status, 200);
    assert_eq!(json_to(&mut stream, "POST /v1/roles", "", &role("two", Some(seen))).status, 409);
    let node = request(&mut stream, "GET /v1/nodes/node1").unwrap().json();
    let seen = node["metadata"]["revision"].as_u64().unwrap();
    let if_match = format!("If-Match: \"{seen}\"\r\n");
    assert_eq!(
        json_to(&mut stream, "PATCH /v1/nodes/node1", &if_match, &json!({"labels": {"env": "test"}})).status,
        200
    );
    assert_eq!(json_to(&mut stream, "PATCH /v1/nodes/node1", &if_match, &json!({"labels": {}})).status, 412);
    assert_eq!(json_to(&mut stream, "DELETE /v1/nodes/node1", &if_match, &json!({})).status, 412);
    scene.mezctl.ok(&["nodes", "get", "node1"]);
    scene.gateway.assert_alive();
}
