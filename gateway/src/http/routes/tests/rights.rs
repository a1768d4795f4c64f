//! Who may do what: every route, asked by everybody.

use std::time::SystemTime;

use mezite_api::UserName;
use mezite_ca::{BotInstance, ClientTrust, PublicKey, verify_client_certificate};
use p256::pkcs8::EncodePublicKey as _;

use super::*;
use crate::authority::UserCertificateOrder;
use crate::authority::tests::issuance;
use crate::http::caller::TlsClient;
use crate::http::route::Access;

const AUDITOR_SOURCE: &str = "192.0.2.7:5000";

impl Scene {
    /// Who holds a client certificate that the authority has made now.
    fn holder(&self, user: &str, bot: Option<BotInstance>, ttl: Duration) -> Caller {
        let key = p256::SecretKey::from_slice(&[9; 32]).unwrap().public_key();
        let order = UserCertificateOrder {
            user: UserName::parse(user).unwrap(),
            bot,
            key: PublicKey::from_key_data(ssh_key::PublicKey::from_openssh(KEY).unwrap().key_data()).unwrap(),
            tls_key: Some(key.to_public_key_der().unwrap().as_bytes().to_vec()),
            issuance: issuance(),
            ttl: Some(ttl),
            source: None,
            actor: "0".into(),
            asked_from: None,
        };
        let authority = &self.services.shared.authority;
        let chain = [run(authority.sign_user(order)).unwrap().tls.unwrap().der];
        let ca = [authority.tls_certificate().clone()];
        let trust = ClientTrust::new("example", &ca, Duration::from_hours(24)).unwrap();
        let certificate = verify_client_certificate(&chain, &trust, SystemTime::now()).unwrap();
        Caller::Client(Arc::new(TlsClient { certificate, source: AUDITOR_SOURCE.parse().unwrap() }))
    }

    fn user(&self, user: &str) -> Caller {
        self.holder(user, None, Duration::from_mins(10))
    }

    fn as_caller(&self, caller: &Caller, method: Method, target: &str, body: &Value) -> Answered {
        Answered(run(self.app.respond(request(method, target, body, caller.clone()))))
    }

    fn add_user(&self, name: &str, roles: &[&str]) {
        self.ask(Method::Post, "/v1/users", &json!({"name": name, "roles": roles})).expect(201);
    }

    fn role(&self, name: &str, allow: &Value, deny: &Value) {
        let role = json!({"kind": "role", "metadata": {"name": name},
            "spec": {"allow": {"rules": allow}, "deny": {"rules": deny}}});
        self.ask(Method::Post, "/v1/roles", &json!({"yaml": role.to_string(), "replace": true})).expect(200);
    }

    fn refusals(&self, kind: &str, reason: &str) -> usize {
        let filter = AuditFilter { kind: Some(kind.to_owned()), ..AuditFilter::default() };
        let page = self.services.shared.store.audit_page(&filter).unwrap();
        page.events.iter().filter(|event| event.fields().unwrap()["reason"] == reason).count()
    }
}

/// Every route that somebody needs a right for.
fn guarded(scene: &Scene) -> Vec<(Method, String)> {
    named(scene, |access| access != Access::Public)
}

/// Routes by who may take them, with names in them that nothing has.
fn named(scene: &Scene, wanted: impl Fn(Access) -> bool) -> Vec<(Method, String)> {
    let routes = scene.app.routes().iter().filter(|route| wanted(route.access));
    routes
        .map(|route| {
            let path = route.path.split('/').map(|part| if part.starts_with(':') { "x" } else { part });
            (route.method, path.collect::<Vec<_>>().join("/"))
        })
        .collect()
}

#[test]
fn only_exports_health_joining_and_logging_in_are_for_everybody() {
    let scene = Scene::new();
    let public = scene.app.routes().iter().filter(|route| route.access == Access::Public);
    let public: Vec<_> = public.map(|route| route.path).collect();
    assert!(
        public.iter().all(|path| path.starts_with("/v1/ca/")
            || ["/webapi/find", "/v1/webapi/find"].contains(path)
            || ["/webapi/auth/export", "/healthz", "/readyz", "/v1/openapi.json"].contains(path)
            || [
                "/v1/bots/join",
                "/v1/bots/join/oidc",
                "/v1/users/setup",
                "/v1/users/setup/confirm",
                "/v1/login"
            ]
            .contains(path)
            || ["/v1/nodes/join", "/v1/nodes/:node/confirm", "/v1/nodes/:node/leave"].contains(path)),
        "{public:?}"
    );
    assert!(guarded(&scene).len() >= 25);
}

#[test]
fn hostile_063_without_a_certificate_every_guarded_route_answers_alike() {
    let scene = Scene::with_alice();
    let events = scene.services.shared.store.audit_head().unwrap();
    let anybody = Caller::Public("10.0.0.1:1".parse().unwrap());
    let mut bodies = Vec::new();
    for (method, path) in guarded(&scene) {
        bodies.push(scene.as_caller(&anybody, method, &path, &json!({})).expect(401));
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!(scene.services.shared.store.audit_head().unwrap(), events, "no handler has run");
}

#[test]
fn only_root_and_the_gateways_own_account_administer_at_the_socket() {
    let scene = Scene::with_alice();
    let own = rustix::process::geteuid().as_raw();
    let other = if own == 4_000_000 { 4_000_001 } else { 4_000_000 };
    let events = scene.services.shared.store.audit_head().unwrap();
    for (method, path) in named(&scene, |access| matches!(access, Access::Rule(..))) {
        scene.as_caller(&Caller::Operator(other), method, &path, &json!({})).expect(403);
    }
    assert_eq!(scene.services.shared.store.audit_head().unwrap(), events);
    scene.as_caller(&Caller::Operator(own), Method::Get, "/v1/users", &Value::Null).expect(200);
}

#[test]
fn rules_decide_route_by_route() {
    let scene = Scene::with_alice();
    scene.role("viewer", &json!([{"resources": ["user"], "verbs": ["list", "read"]}]), &json!([]));
    scene.add_user("vera", &["viewer"]);
    scene.add_user("root", &["admin"]);
    let (vera, root) = (scene.user("vera"), scene.user("root"));
    let ruled: Vec<_> = named(&scene, |access| matches!(access, Access::Rule(..)));
    for (method, path) in &ruled {
        let (method, path) = (*method, path.as_str());
        let status = run(scene.app.respond(request(method, path, &json!({}), vera.clone()))).status;
        let hers = method == Method::Get && path.starts_with("/v1/users");
        assert_eq!(status != 403, hers, "{method:?} {path}: {status}");
        let status = run(scene.app.respond(request(method, path, &json!({}), root.clone()))).status;
        assert!(!matches!(status, 401 | 403), "{method:?} {path}: {status}");
    }
    assert_eq!(scene.refusals("access.refuse", "rules"), ruled.len() - 2, "each refusal has its event");
    let made = scene.as_caller(&root, Method::Post, "/v1/users", &json!({"name": "bob"}));
    made.expect(201);
    let filter = AuditFilter { kind: Some("user.create".to_owned()), ..AuditFilter::default() };
    let page = scene.services.shared.store.audit_page(&filter).unwrap();
    assert_eq!(page.events.last().unwrap().fields().unwrap()["actor"], "root");
}

#[test]
fn rights_are_those_of_the_moment() {
    let scene = Scene::with_alice();
    let all = json!([{"resources": ["*"], "verbs": ["*"]}]);
    scene.role("ops", &all, &json!([]));
    scene.add_user("olga", &["ops"]);
    let olga = scene.user("olga");
    let get = || scene.as_caller(&olga, Method::Get, "/v1/nodes", &Value::Null);
    get().expect(200);
    scene.role("ops", &all, &json!([{"resources": ["node"], "verbs": ["list"]}]));
    get().expect(403);
    scene.as_caller(&olga, Method::Get, "/v1/users", &Value::Null).expect(200);
    scene.role("ops", &all, &json!([]));
    get().expect(200);
}

#[test]
fn hostile_065_who_is_shut_out_is_refused_with_the_next_request() {
    let scene = Scene::with_alice();
    scene.add_user("root", &["admin"]);
    let root = scene.user("root");
    let get = || scene.as_caller(&root, Method::Get, "/v1/nodes", &Value::Null);
    get().expect(200);
    let lock = scene.ask(Method::Post, "/v1/locks", &json!({"target": {"user": "root"}, "message": "gone"}));
    let lock = lock.expect(201);
    let refused = get().expect(403);
    assert!(refused["detail"].as_str().unwrap().contains("gone"), "{refused}");
    scene
        .ask(Method::Delete, &format!("/v1/locks/{}", lock["id"].as_str().unwrap()), &Value::Null)
        .expect(204);
    get().expect(200);
    let by_address = json!({"target": {"source_ip": "192.0.2.7"}});
    let lock = scene.ask(Method::Post, "/v1/locks", &by_address).expect(201);
    get().expect(403);
    scene
        .ask(Method::Delete, &format!("/v1/locks/{}", lock["id"].as_str().unwrap()), &Value::Null)
        .expect(204);
    scene.ask(Method::Patch, "/v1/users/root", &json!({"disabled": true})).expect(200);
    get().expect(401);
    scene.ask(Method::Patch, "/v1/users/root", &json!({"disabled": false})).expect(200);
    get().expect(200);
    scene.ask(Method::Delete, "/v1/users/root", &Value::Null).expect(204);
    get().expect(401);
    assert_eq!(scene.refusals("access.refuse", "locked"), 2);
    assert_eq!(scene.refusals("cert.refuse", "disabled"), 1);
    assert_eq!(scene.refusals("cert.refuse", "unknown_user"), 1);
}

#[test]
fn a_bots_certificate_is_not_a_persons() {
    let scene = Scene::with_alice();
    scene.add_user("root", &["admin"]);
    let instance = BotInstance { instance: "00000000-0000-4000-8000-000000000001".to_owned(), generation: 1 };
    let bot = scene.holder("root", Some(instance), Duration::from_mins(10));
    scene.as_caller(&bot, Method::Get, "/v1/nodes", &Value::Null).expect(401);
    assert_eq!(scene.refusals("cert.refuse", "other_user"), 1);
}

#[test]
fn hostile_065_an_expired_certificate_is_refused_on_a_connection_that_lives() {
    let scene = Scene::with_alice();
    scene.add_user("root", &["admin"]);
    let root = scene.holder("root", None, Duration::from_secs(1));
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let status =
            run(scene.app.respond(request(Method::Get, "/v1/nodes", &Value::Null, root.clone()))).status;
        if status == 401 {
            break;
        }
        assert_eq!(status, 200);
        assert!(std::time::Instant::now() < deadline, "it never expires");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn who_may_change_does_not_thereby_make_pin_or_unlock() {
    let scene = Scene::with_alice();
    let resources = json!(["node", "bot", "lock"]);
    let can =
        |verbs: &Value| scene.role("ops", &json!([{"resources": resources, "verbs": verbs}]), &json!([]));
    can(&json!(["update"]));
    scene.add_user("olga", &["ops"]);
    let olga = scene.user("olga");
    let bot = |replace: bool| {
        let body = json!({"roles": ["ops"], "replace": replace});
        scene.as_caller(&olga, Method::Put, "/v1/bots/deploy", &body)
    };
    bot(true).expect(403);
    can(&json!(["update", "create"]));
    bot(false).expect(200);
    can(&json!(["update"]));
    bot(true).expect(200);
    bot(false).expect(409);

    let node = json!({"name": "db-9", "host": "10.0.0.9", "host_keys": [KEY]});
    scene.ask(Method::Post, "/v1/nodes", &node).expect(201);
    let change = |body: &Value| scene.as_caller(&olga, Method::Patch, "/v1/nodes/db-9", body);
    change(&json!({"labels": {"env": "prod"}})).expect(200);
    change(&json!({"host_keys": []})).expect(403);
    can(&json!(["update", "rotate"]));
    let changed = change(&json!({"host_keys": []})).expect(200);
    assert_eq!(changed["spec"]["host_keys"], json!([]));
    // The node is believed for its name and address now: another one is as good as another key.
    can(&json!(["update"]));
    change(&json!({"host": "10.0.0.10"})).expect(403);
    change(&json!({"name": "db-10"})).expect(403);
    change(&json!({"name": "DB-9", "host": "10.0.0.9", "port": 2222})).expect(200);
    can(&json!(["update", "rotate"]));
    change(&json!({"host": "10.0.0.10"})).expect(200);

    let id = "5da56852-2adb-4540-a37c-80790203f6a9";
    let lock = |replace: bool| {
        let body = json!({"id": id, "target": {"user": "mallory"}, "replace": replace});
        scene.as_caller(&olga, Method::Post, "/v1/locks", &body)
    };
    can(&json!(["create"]));
    lock(false).expect(201);
    lock(false).expect(409);
    lock(true).expect(403);
    can(&json!(["create", "delete"]));
    lock(true).expect(201);
}

#[test]
fn a_client_certificate_is_revoked_by_its_number_its_key_and_that_of_the_certificate_beside_it() {
    let scene = Scene::with_alice();
    scene.add_user("root", &["admin"]);
    let own = p256::SecretKey::from_slice(&[9; 32]).unwrap().public_key().to_sec1_bytes();
    let own = ssh_key::public::EcdsaPublicKey::from_sec1_bytes(&own).unwrap();
    let own = ssh_key::PublicKey::from(ssh_key::public::KeyData::Ecdsa(own)).to_openssh().unwrap();
    let root = scene.user("root");
    let Caller::Client(client) = &root else { panic!("a client") };
    for target in [
        json!({"serial": client.certificate.serial}),
        json!({"key": KEY}),
        json!({"key": own}),
        json!({"user": "root"}),
    ] {
        let get = || scene.as_caller(&root, Method::Get, "/v1/nodes", &Value::Null);
        get().expect(200);
        let revoke = json!({"target": target});
        let made = scene.as_caller(&root, Method::Post, "/v1/revocations", &revoke).expect(201);
        let refused = get().expect(401);
        assert!(refused["detail"].as_str().unwrap().contains("was revoked"), "{refused}");
        scene.as_caller(&root, Method::Get, "/v1/reachable", &Value::Null).expect(401);
        let path = format!("/v1/revocations/{}", made["id"].as_str().unwrap());
        assert_eq!(scene.get(&path).expect(200), made);
        scene.ask(Method::Delete, &path, &Value::Null).expect(204);
        scene.get(&path).expect(404);
    }
    assert_eq!(scene.refusals("cert.refuse", "revoked"), 8);
}

#[test]
fn revocations_are_checked_before_anything_is_stored() {
    let scene = Scene::with_alice();
    let ca = scene.get("/v1/ca/user.pub").expect(200);
    let ca = ca.as_str().unwrap().trim_end();
    let long = "x".repeat(201);
    for body in [
        json!({"target": {"serial": 0}}),
        json!({"target": {"serial": -1}}),
        json!({"target": {"serial": 1, "user": "alice"}}),
        json!({"target": {"key": "ssh-ed25519 AAAA"}}),
        json!({"target": {"key": ca}}),
        json!({"target": {"user": "../x"}}),
        json!({"target": {"serial": 1}, "reason": long}),
        json!({"target": {"serial": 1}, "ttl": "1h"}),
        json!({}),
    ] {
        scene.ask(Method::Post, "/v1/revocations", &body).expect(400);
    }
    assert_eq!(scene.get("/v1/revocations").expect(200), json!([]));
    scene.get("/v1/revocations/x").expect(400);
}

#[test]
fn a_path_that_is_written_out_names_its_own_methods() {
    let scene = Scene::new();
    let allowed = |path: &str| {
        let answer = run(scene.app.respond(request(Method::Other, path, &Value::Null, Caller::Operator(0))));
        (answer.status, answer.allow)
    };
    assert_eq!(allowed("/v1/bots/join"), (405, Some("POST".to_owned())));
    assert_eq!(allowed("/v1/bots/deploy"), (405, Some("GET, PUT, DELETE, HEAD".to_owned())));
}
