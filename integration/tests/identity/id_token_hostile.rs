//! Row 121: id tokens that are not what the bot asks for.

use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use mezite_api::ProblemCode;
use mezite_fixtures::Scene;
use mezite_integration::bot::BOT;
use mezite_integration::issuer::{Issuer, SigningKey, now};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::holder::{Holder, assert_refused, client, problem};
use crate::id_tokens::{CLAIMS, trust};

/// The token with claims changed so.
fn changed(issuer: &Issuer, changes: &Value) -> String {
    let mut claims = issuer.claims();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    issuer.sign(&claims)
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Tokens whose claims are signed by the right key, or seem to be, under another algorithm.
fn swapped(issuer: &Issuer) -> Vec<(String, &'static str)> {
    let (key, claims) = (issuer.key(), issuer.claims());
    let (id, jwk) = (key.id.clone(), key.jwk());
    let none = part(&json!({"alg": "none", "kid": id}));
    // The public key as the secret of an HMAC, in the forms in which somebody may have it.
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    let mac = |secret: &[u8]| {
        let header = Header { kid: Some(id.clone()), ..Header::new(Algorithm::HS256) };
        encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    let (head, rest) = issuer.token().split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let pss = part(&json!({"alg": "PS256", "kid": id}));
    let crit = part(&json!({"alg": "RS256", "kid": id, "crit": ["exp"]}));
    let access = part(&json!({"alg": "RS256", "kid": id, "typ": "at+jwt"}));
    let other = SigningKey::generate(Algorithm::RS256);
    vec![
        (format!("{none}.{}.", part(&claims)), "algorithm"),
        (format!("{none}.{rest}"), "algorithm"),
        (mac(&modulus), "algorithm"),
        (mac(jwk.to_string().as_bytes()), "algorithm"),
        (format!("{pss}.{rest}"), "algorithm"),
        (format!("{crit}.{rest}"), "malformed"),
        (format!("{access}.{rest}"), "malformed"),
        (other.clone().named(&id).sign(&claims), "signature"),
        (other.sign(&claims), "unknown_key"),
        (format!("{head}.{}.{}", part(&claims), rest.rsplit_once('.').unwrap().1), "signature"),
        (format!("{head}.{rest}A"), "signature"),
    ]
}

/// Tokens that are rightly signed and say something else.
fn mistaken(issuer: &Issuer) -> Vec<(String, &'static str)> {
    let now = now();
    let change = |changes: Value| changed(issuer, &changes);
    vec![
        (change(json!({"aud": "other"})), "audience"),
        (change(json!({"aud": ["mezite", "other"]})), "audience"),
        (change(json!({"aud": null})), "audience"),
        (change(json!({"iss": "https://other.example"})), "issuer"),
        (change(json!({"iss": format!("{}/", issuer.url)})), "issuer"),
        (change(json!({"iss": null})), "malformed"),
        (change(json!({"exp": now})), "expired"),
        (change(json!({"exp": now - 1})), "expired"),
        (change(json!({"exp": null})), "no_time"),
        (change(json!({"exp": "soon"})), "no_time"),
        (change(json!({"iat": null})), "no_time"),
        (change(json!({"nbf": now + 3600})), "not_yet_valid"),
        (change(json!({"iat": now + 120})), "not_yet_valid"),
        (change(json!({"exp": now + 25 * 3600})), "valid_too_long"),
        (change(json!({"iat": now - 25 * 3600, "exp": now + 300})), "valid_too_long"),
        (change(json!({"repository": "evil/app"})), "claim"),
        (change(json!({"repository": "acme/app2"})), "claim"),
        (change(json!({"repository": ["acme/app"]})), "claim"),
        (change(json!({"repository": null})), "claim"),
        (change(json!({"ref": "refs/heads/main\u{1b}[2J"})), "claim"),
        ("x".repeat(16 * 1024 + 1), "malformed"),
        ("a.b".to_owned(), "malformed"),
        (format!("{}.x", issuer.token()), "malformed"),
        (String::new(), "malformed"),
    ]
}

#[test]
fn hostile_121_every_wrong_id_token_is_refused_alike() {
    let scene = Scene::start();
    let issuer = Issuer::start(&scene.scratch);
    trust(&scene, &issuer, BOT, &["--audience=mezite", CLAIMS]).assert_ok();
    let wrong: Vec<_> = swapped(&issuer).into_iter().chain(mistaken(&issuer)).collect();
    let mut problems = Vec::new();
    for (token, reason) in &wrong {
        problems.push(problem(Holder::new().join_with(&scene, token)));
        let event = scene.mezctl.audit("token.refuse").pop().unwrap();
        assert_eq!(event["reason"], *reason, "{event}");
        assert_eq!(event["method"], "oidc");
        let text = event.to_string();
        assert!(token.is_empty() || !text.contains(token.as_str()), "{text}");
        assert!(text.len() < 1200 && !text.contains("\\u001b"), "{text}");
    }
    assert!(problems.iter().all(|one| one.status == 401 && *one == problems[0]), "{problems:#?}");
    let events = scene.mezctl.audit("token.refuse");
    assert_eq!(events.len(), wrong.len());
    let claim = events.iter().find(|event| event["found"] == "evil/app").unwrap();
    assert_eq!((&claim["claim"], &claim["subject"]), (&"repository".into(), &BOT.into()));
    assert!(scene.mezctl.list(&["bots", "instances", BOT]).is_empty());
    // The true one is not held up.
    Holder::new().join_with(&scene, &issuer.token()).unwrap();
}

#[test]
fn hostile_121_an_id_token_is_used_once_however_many_try() {
    let scene = Scene::start();
    let issuer = Issuer::start(&scene.scratch);
    trust(&scene, &issuer, BOT, &["--audience=mezite", CLAIMS]).assert_ok();
    let token = issuer.token();
    let answers: Vec<_> = thread::scope(|scope| {
        let all: Vec<_> = (0..20).map(|_| scope.spawn(|| Holder::new().join_with(&scene, &token))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(scene.mezctl.audit("bot.join").len(), 1);
    // Its issuer's name for it counts, and without one what was signed.
    let mut claims = issuer.claims();
    Holder::new().join_with(&scene, &issuer.sign(&claims)).unwrap();
    claims["exp"] = (now() + 200).into();
    assert_refused(Holder::new().join_with(&scene, &issuer.sign(&claims)), ProblemCode::Unauthenticated);
    let nameless = changed(&issuer, &json!({"jti": null}));
    Holder::new().join_with(&scene, &nameless).unwrap();
    assert_refused(Holder::new().join_with(&scene, &nameless), ProblemCode::Unauthenticated);
    let spent = scene.mezctl.audit("token.refuse");
    assert!(spent.iter().all(|event| event["reason"] == "spent"), "{spent:#?}");
    assert_eq!(spent.len(), 21);
}

#[test]
fn hostile_121_a_lost_answer_is_given_again_to_the_same_request_and_key() {
    let scene = Scene::start();
    let issuer = Issuer::start(&scene.scratch);
    trust(&scene, &issuer, BOT, &["--audience=mezite", CLAIMS]).assert_ok();
    let (holder, thief, request) = (Holder::new(), Holder::new(), Uuid::new_v4());
    let token = issuer.token();
    let first = client(&scene, None).join_oidc(&holder.asks_with(&token, request)).unwrap();
    let again = client(&scene, None).join_oidc(&holder.asks_with(&token, request)).unwrap();
    assert_eq!((first.instance, &first.certificate), (again.instance, &again.certificate));
    let stolen = client(&scene, None).join_oidc(&thief.asks_with(&token, request));
    assert_refused(stolen, ProblemCode::Unauthenticated);
    // The proof is of this token.
    let mut crossed = holder.asks_with(&token, request);
    crossed.proof = holder.asks_with(&issuer.token(), request).proof;
    assert_refused(client(&scene, None).join_oidc(&crossed), ProblemCode::Invalid);
}

#[test]
fn hostile_121_a_token_that_several_bots_take_needs_a_name() {
    let scene = Scene::start();
    let issuer = Issuer::start(&scene.scratch);
    trust(&scene, &issuer, "one", &["--audience=mezite", CLAIMS]).assert_ok();
    trust(&scene, &issuer, "two", &["--audience=mezite", CLAIMS]).assert_ok();
    trust(&scene, &issuer, "three", &["--audience=mezite", "--claims=repository=acme/other"]).assert_ok();
    let (holder, token) = (Holder::new(), issuer.token());
    let refused = problem(holder.join_with(&scene, &token));
    assert!(refused.detail.contains("--bot"), "{refused}");
    let mut asked = holder.asks_with(&token, Uuid::new_v4());
    asked.bot = Some("three".parse().unwrap());
    assert_refused(client(&scene, None).join_oidc(&asked), ProblemCode::Unauthenticated);
    asked.bot = Some("nobody".parse().unwrap());
    assert_refused(client(&scene, None).join_oidc(&asked), ProblemCode::Unauthenticated);
    asked.bot = Some("two".parse().unwrap());
    assert_eq!(client(&scene, None).join_oidc(&asked).unwrap().bot.as_str(), "two");
    let other = changed(&issuer, &json!({"repository": "acme/other"}));
    assert_eq!(holder.join_with(&scene, &other).unwrap().bot.as_str(), "three");
}

#[test]
fn hostile_121_nobody_trusts_too_much_by_accident() {
    let scene = Scene::start();
    let issuer = Issuer::start(&scene.scratch);
    for options in [
        &["--audience=mezite"][..],
        &["--audience=mezite", "--claims=aud=mezite"],
        &["--audience=mezite", "--claims=repository"],
        &["--audience=", CLAIMS],
        &[CLAIMS],
        &["--audience=mezite", CLAIMS, "--token-ttl=1h"],
    ] {
        trust(&scene, &issuer, BOT, options).assert_code(2);
    }
    let mut weak = issuer.key().jwk();
    let modulus = URL_SAFE_NO_PAD.decode(weak["n"].as_str().unwrap()).unwrap();
    weak["n"] = URL_SAFE_NO_PAD.encode(&modulus[1..]).into();
    let mut private = issuer.key().jwk();
    private["d"] = "AQAB".into();
    let secret = json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"});
    for (number, key) in [weak, private, secret].into_iter().enumerate() {
        let file = scene.scratch.write(&format!("{number}.json"), json!({ "keys": [key] }).to_string());
        let (name, file) = (format!("--name={BOT}"), format!("--jwks-file={}", file.display()));
        let mut add = vec!["bots", "add", &name, "--roles=dev", "--join-method=oidc", &file];
        add.extend(["--audience=mezite", CLAIMS]);
        scene.mezctl.run(&add).assert_code(2);
    }
    assert!(scene.mezctl.list(&["bots", "ls"]).is_empty());
}
