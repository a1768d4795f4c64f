//! The routes over a real store, asked as the connections ask them.

use std::io::Read as _;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use mezite_actors::{Supervisor, run};
use mezite_recording::{Codec, Header, Kind, SessionId};
use mezite_ssh::transport::Limits;
use mezite_store::{AuditFilter, Options, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::audit::Auditor;
use crate::authority::Authority;
use crate::config::{Config, Layer};
use crate::connection::{Connections, Refusals};
use crate::dialer::Dialer;
use crate::http::caller::Caller;
use crate::http::request::{Method, Query};
use crate::http::response::{Body, Response};
use crate::inventory::Inventory;
use crate::recorder::Recorder;
use crate::shared::Addresses;

const SOCKET: Caller = Caller::Operator(0);
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQx8HzRcc7CXhqtoPrpCtjETpuS2pXGzKrzqE0KcKgU";
const ROLE: &str = "kind: role\nmetadata: {name: dev}\nspec:\n  allow: {node_labels: {'*': '*'}, logins: [ubuntu]}\n  \
                    options: {max_session_ttl: 1h}\n";

struct Scene {
    services: Arc<Services>,
    app: App,
    _folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let services = Arc::new(services(folder.path()));
        let app = application(&services);
        Self { services, app, _folder: folder }
    }

    /// A scene with the role `dev` and the user `alice`.
    fn with_alice() -> Self {
        let scene = Self::new();
        scene.ask(Method::Post, "/v1/roles", &json!({"yaml": ROLE})).expect(200);
        scene.ask(Method::Post, "/v1/users", &json!({"name": "alice", "roles": ["dev"]})).expect(201);
        scene
    }

    fn get(&self, target: &str) -> Answered {
        self.ask(Method::Get, target, &Value::Null)
    }

    fn ask(&self, method: Method, target: &str, body: &Value) -> Answered {
        Answered(run(self.app.respond(request(method, target, body, SOCKET))))
    }

    fn events(&self, kind: &str) -> usize {
        let filter = AuditFilter { kind: Some(kind.to_owned()), ..AuditFilter::default() };
        self.services.shared.store.audit_page(&filter).unwrap().events.len()
    }
}

fn services(folder: &Path) -> Services {
    let layer = Layer {
        data_dir: Some(folder.to_owned()),
        cluster_name: Some("example".to_owned()),
        unsealed: Some(true),
        ..Layer::default()
    };
    let config = Config::check(layer).unwrap();
    let store = Store::open(folder.join("store"), Options::default()).unwrap();
    let supervisor = Supervisor::new();
    let authority = Authority::start(&supervisor, &store, &config).unwrap();
    let inventory = Inventory::start(&supervisor, &store, "example").unwrap();
    let auditor = Auditor::new(store.clone());
    let refusals = Refusals::new(auditor.clone());
    let shared = Shared {
        config,
        auditor,
        store,
        supervisor,
        authority,
        started: Timestamp::now(),
        addresses: OnceLock::new(),
        stopping: AtomicBool::new(false),
    };
    Services {
        shared: Arc::new(shared),
        inventory,
        dialer: Dialer::new(Vec::new(), Limits::default()),
        recorder: Recorder::start(&folder.join("recordings")).unwrap().0,
        connections: Connections::default(),
        refusals,
        guesses: crate::bots::Guesses::default(),
        issuers: crate::oidc::Issuers::new(Vec::new()),
        people: crate::people::People::default(),
        limits: Limits::default(),
    }
}

fn request(method: Method, target: &str, body: &Value, caller: Caller) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Request {
        method,
        path: path.to_owned(),
        query: Query::parse(query).unwrap(),
        body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() }.into(),
        caller,
        if_match: None,
        if_none_match: None,
        params: Vec::new(),
    }
}

struct Answered(Response);

impl Answered {
    #[track_caller]
    fn expect(self, status: u16) -> Value {
        let Body::Bytes(body) = self.0.body else { panic!("a file") };
        let text = String::from_utf8(body).unwrap();
        assert_eq!(self.0.status, status, "{text}");
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }
}

#[test]
fn at_the_socket_nobody_can_reach_anything() {
    let scene = Scene::with_alice();
    let refused = scene.get("/v1/reachable").expect(403);
    assert!(refused.to_string().contains("nobody has logged in at the socket"), "{refused}");
    assert_eq!(scene.get("/v1/reachable?cursor=x").expect(403)["code"], "forbidden");
}

#[test]
fn exports_are_tagged_and_known_ones_are_not_sent_again() {
    let scene = Scene::new();
    for path in [
        "/v1/ca/user.pub",
        "/v1/ca/openssh.pub",
        "/v1/ca/host.pub",
        "/v1/ca/known_hosts",
        "/v1/ca/tls.pem",
        "/v1/ca/revoked.krl",
    ] {
        let answer = run(scene.app.respond(request(Method::Get, path, &Value::Null, SOCKET)));
        assert_eq!(answer.status, 200, "{path}");
        let etag = answer.etag.unwrap();
        let again = Request {
            if_none_match: Some(format!("\"other\", W/{etag}")),
            ..request(Method::Get, path, &Value::Null, SOCKET)
        };
        let again = run(scene.app.respond(again));
        assert_eq!((again.status, again.body_len()), (304, 0), "{path}");
        assert!(!again.head(false).contains("Content-Length"));
    }
}

#[test]
fn teleports_forms_are_served_at_teleports_place() {
    let scene = Scene::new();
    let export = |query: &str| scene.get(&format!("/webapi/auth/export?{query}")).expect(200);
    let text = |value: Value| value.as_str().unwrap().to_owned();
    assert!(text(export("type=user")).starts_with("cert-authority ssh-ed25519 "));
    assert!(text(export("type=openssh")).starts_with("cert-authority ssh-ed25519 "));
    assert!(text(export("type=host")).starts_with("@cert-authority *.example ssh-ed25519 "));
    for query in ["type=tls", "type=", ""] {
        let problem = scene.get(&format!("/webapi/auth/export?{query}")).expect(400);
        assert_eq!(problem["field"], "type");
    }
}

#[test]
fn ready_is_said_while_everything_listens() {
    let scene = Scene::new();
    let shared = &scene.services.shared;
    scene.get("/healthz").expect(200);
    scene.get("/readyz").expect(503);
    assert_eq!(scene.get("/v1/status").expect(200)["ready"], false);
    let address = "127.0.0.1:3023".parse().unwrap();
    shared.addresses.set(Addresses { ssh: address, https: vec![address] }).unwrap();
    scene.get("/readyz").expect(200);
    let status = scene.get("/v1/status").expect(200);
    assert_eq!((&status["ready"], &status["ssh"]), (&true.into(), &"127.0.0.1:3023".into()));
    assert!(status["warnings"][0].as_str().unwrap().contains("unsealed"));
    shared.stopping.store(true, Ordering::Relaxed);
    scene.get("/readyz").expect(503);
}

#[test]
fn certificates_are_signed_within_the_roles() {
    let scene = Scene::with_alice();
    let signed = scene
        .ask(Method::Post, "/v1/certificates/user", &json!({"user": "alice", "public_key": KEY, "ttl": "8h"}))
        .expect(201);
    assert_eq!((&signed["ttl_cut"], &signed["principals"]), (&true.into(), &json!(["alice", "ubuntu"])));
    assert!(signed["certificate"].as_str().unwrap().starts_with("ssh-ed25519-cert-v01@openssh.com AAAA"));
    assert_eq!(scene.events("cert.issue"), 1);
}

#[test]
fn host_certificates_are_for_every_name_but_the_gateways_own() {
    let scene = Scene::new();
    let own = scene.services.shared.config.public_addr[0].to_ascii_uppercase();
    let sign = |names: &Value, ttl: &str| {
        let wanted = json!({"public_key": KEY, "names": names, "ttl": ttl});
        scene.ask(Method::Post, "/v1/certificates/host", &wanted)
    };
    let names = json!(["1.2.3.4", "OpenSSH-node", "a100fdd0-52db-4eca-a7ab-c3afa7a1564a", "openssh-node"]);
    let signed = sign(&names, "1h").expect(201);
    let principals = json!(["1.2.3.4", "openssh-node", "a100fdd0-52db-4eca-a7ab-c3afa7a1564a"]);
    assert_eq!(signed["principals"], principals);
    let too_many: Vec<_> = (0..65).map(|number| format!("host-{number}")).collect();
    for names in
        [json!([]), json!(["*"]), json!(["*.example.com"]), json!(["a,b"]), json!(["a b"]), json!([""])]
    {
        sign(&names, "1h").expect(400);
    }
    sign(&json!(too_many), "1h").expect(400);
    for names in [json!([own]), json!(["db-1", own])] {
        assert_eq!(sign(&names, "1h").expect(400)["field"], "names");
    }
    sign(&json!(["db-1"]), "3000d").expect(400);
    assert_eq!(scene.events("cert.issue"), 1, "no number is used up for what is refused");
}

#[test]
fn who_gets_no_certificate_is_told_and_audited() {
    let scene = Scene::with_alice();
    let sign = |user: &str| {
        scene.ask(Method::Post, "/v1/certificates/user", &json!({"user": user, "public_key": KEY}))
    };
    sign("nobody").expect(404);
    scene.ask(Method::Patch, "/v1/users/alice", &json!({"disabled": true})).expect(200);
    sign("alice").expect(403);
    assert_eq!((scene.events("cert.issue"), scene.events("cert.refuse")), (0, 2));
}

#[test]
fn users_and_roles_live_from_making_to_removing() {
    let scene = Scene::with_alice();
    let again = scene.ask(Method::Post, "/v1/roles", &json!({"yaml": ROLE})).expect(409);
    assert_eq!(again["code"], "conflict");
    scene.ask(Method::Post, "/v1/roles", &json!({"yaml": ROLE, "replace": true})).expect(200);
    let bad = scene.ask(Method::Post, "/v1/roles", &json!({"yaml": "kind: role\nwhat: 1\n"})).expect(400);
    assert_eq!(bad["field"], "yaml");
    assert_eq!(scene.get("/v1/users/alice").expect(200)["roles"], json!(["dev"]));
    scene.ask(Method::Delete, "/v1/users/alice", &Value::Null).expect(204);
    scene.get("/v1/users/alice").expect(404);
    scene.ask(Method::Delete, "/v1/roles/dev", &Value::Null).expect(204);
    scene.ask(Method::Delete, "/v1/roles/dev", &Value::Null).expect(404);
}

#[test]
fn decisions_are_explained() {
    let scene = Scene::with_alice();
    let node = json!({"name": "db-1", "host": "127.0.0.1", "labels": {"env": "prod"}, "host_keys": [KEY]});
    scene.ask(Method::Post, "/v1/nodes", &node).expect(201);
    let explained = scene.get("/v1/access/explain?user=alice&target=ubuntu%40db-1").expect(200);
    assert_eq!(explained["allowed"], true);
    let explained = scene.get("/v1/access/explain?user=alice&target=root%40db-1").expect(200);
    assert_eq!(explained["allowed"], false);
    scene.get("/v1/access/explain?user=nobody&target=ubuntu%40db-1").expect(404);
    scene.get("/v1/access/explain?user=alice").expect(400);
}

#[test]
fn a_node_that_cannot_be_looked_at_is_not_stored() {
    let scene = Scene::new();
    // A port that nobody listens at any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let node = json!({
        "name": "db-1", "host": "127.0.0.1", "port": port, "host_keys": [KEY], "verify_host_key": true
    });
    let problem = scene.ask(Method::Post, "/v1/nodes", &node).expect(502);
    assert_eq!(problem["code"], "unreachable");
    scene.get("/v1/nodes/db-1").expect(404);
    assert_eq!(scene.events("node.create"), 0);
}

#[test]
fn requests_are_read_strictly() {
    let scene = Scene::new();
    let node = json!({"name": "db-1", "host": "h", "what": 1});
    assert_eq!(scene.ask(Method::Post, "/v1/nodes", &node).expect(400)["field"], "what");
    let node =
        json!({"name": "db-1", "host": "h", "host_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0"]});
    let problem = scene.ask(Method::Post, "/v1/nodes", &node).expect(400);
    assert_eq!(problem["field"], "host_keys");
    assert!(!problem.to_string().contains("c2VjcmV0"));
}

#[test]
fn recordings_are_found_by_session_ids_only() {
    let scene = Scene::new();
    assert_eq!(scene.get("/v1/recordings").expect(200), json!([]));
    for session in ["00000000-0000-4000-8000-000000000000", "x", "prod..", "0"] {
        scene.get(&format!("/v1/recordings/{session}/file?for=play")).expect(404);
    }
    let unsaid = scene.get("/v1/recordings/00000000-0000-4000-8000-000000000000/file").expect(400);
    assert_eq!(unsaid["field"], "for");
    assert_eq!(scene.events("recording.play"), 0);
}

#[test]
fn a_recording_is_given_away_as_it_is_and_with_its_event() {
    let scene = Scene::new();
    let session = SessionId::from_bytes([7; 16]);
    let header = Header {
        session,
        user: "alice".to_owned(),
        login: "ubuntu".to_owned(),
        node: "db-1".to_owned(),
        kind: Kind::Exec,
        started: Timestamp::now(),
        pty: None,
        command: None,
    };
    let archive = scene.services.recorder.archive();
    let writer = archive.create(&header).unwrap();
    writer.finish(&mut Codec::new().unwrap(), Duration::ZERO, "exit").unwrap();
    let listed = scene.get("/v1/recordings").expect(200);
    assert_eq!((&listed[0]["session"], &listed[0]["state"]), (&json!(session), &"complete".into()));

    let mut stored = Vec::new();
    archive.file(session).unwrap().read_to_end(&mut stored).unwrap();
    for (purpose, event) in [("play", "recording.play"), ("export", "recording.export")] {
        let path = format!("/v1/recordings/{session}/file?for={purpose}");
        let Answered(Response { status, body: Body::File { file, len }, .. }) = scene.get(&path) else {
            panic!("no file")
        };
        let mut given = Vec::new();
        file.take(len).read_to_end(&mut given).unwrap();
        assert_eq!((status, given == stored, scene.events(event)), (200, true, 1), "{purpose}");
    }
}

#[test]
fn the_audit_log_is_served_in_pages_and_checked() {
    let scene = Scene::with_alice();
    let page = scene.get("/v1/audit/events?limit=2").expect(200);
    assert_eq!(page["events"].as_array().unwrap().len(), 2);
    let more = page["more"].as_u64().unwrap();
    let next = scene.get(&format!("/v1/audit/events?limit=2&after_seq={more}")).expect(200);
    assert_eq!(next["events"][0]["seq"], more + 1);
    let users = scene.get("/v1/audit/events?type=user.create&user=alice").expect(200);
    assert_eq!(users["events"].as_array().unwrap().len(), 1);
    let report = scene.get("/v1/audit/verify").expect(200);
    assert!(report["checked"].as_u64().unwrap() >= 6 && report.get("fault").is_none());
}

mod rights;
