//! Row 122: issuers that are away, slow, endless, or point somewhere else.

use mezite_api::ProblemCode;
use mezite_fixtures::Scene;
use mezite_integration::bot::BOT;
use mezite_integration::issuer::{Issuer, Manner};

use crate::holder::{Holder, assert_refused};
use crate::id_tokens::{CLAIMS, trust};

#[test]
fn keys_are_remembered_and_new_ones_are_fetched() {
    let scene = Scene::start();
    let issuer = Issuer::start(&scene.scratch);
    trust(&scene, &issuer, BOT, &["--audience=mezite", CLAIMS]).assert_ok();
    Holder::new().join_with(&scene, &issuer.token()).unwrap();
    issuer.be(Manner::Down);
    Holder::new().join_with(&scene, &issuer.token()).unwrap();
    issuer.be(Manner::Honest);
    let old = issuer.token();
    issuer.rotate();
    Holder::new().join_with(&scene, &issuer.token()).unwrap();
    assert_refused(Holder::new().join_with(&scene, &old), ProblemCode::Unauthenticated);
    let asked = issuer.asked().len();
    assert_eq!(asked, 4, "{:?}", issuer.asked());
    // Keys that nobody knows do not have the issuer asked again and again.
    issuer.rotate();
    for _ in 0..5 {
        assert_refused(Holder::new().join_with(&scene, &issuer.token()), ProblemCode::Unauthenticated);
    }
    assert_eq!(issuer.asked().len(), asked);
}

#[test]
fn hostile_122_an_issuer_that_does_not_do_as_it_should_lets_nobody_in() {
    let mut scene = Scene::start();
    let elsewhere = Issuer::start(&scene.scratch);
    let away = format!("{}/keys", elsewhere.url);
    let gateway = format!("https://localhost:{}/v1/openapi.json", scene.gateway.https().port());
    for (manner, why) in [
        (Manner::Down, ""),
        (Manner::Redirects(away.clone()), "status 302"),
        (Manner::Huge, "limit"),
        (Manner::KeysAt(away), "another server"),
        (Manner::KeysAt("http://localhost/keys".to_owned()), "https"),
        (Manner::KeysAt(gateway), "another server"),
        (Manner::Other, "another issuer"),
        (Manner::Hangs, ""),
    ] {
        let issuer = Issuer::start(&scene.scratch);
        let claims = "--claims=repository=acme/app";
        trust(&scene, &issuer, BOT, &["--audience=mezite", claims]).assert_ok();
        issuer.be(manner.clone());
        assert_refused(Holder::new().join_with(&scene, &issuer.token()), ProblemCode::Unavailable);
        let event = scene.mezctl.audit("token.refuse").pop().unwrap();
        assert_eq!(event["reason"], "issuer_unreachable", "{manner:?}: {event}");
        assert!(event["error"].as_str().unwrap().contains(why), "{manner:?}: {event}");
        scene.mezctl.ok(&["bots", "rm", BOT]);
    }
    assert!(elsewhere.asked().is_empty(), "{:?}", elsewhere.asked());
    scene.gateway.assert_alive();
}

#[test]
fn hostile_122_no_issuer_leads_to_the_gateway_or_where_nodes_may_not_be() {
    let scene = Scene::start();
    let issuer = Issuer::start(&scene.scratch);
    let own = format!("https://localhost:{}", scene.gateway.https().port());
    for (url, why) in [
        (own.as_str(), "the gateway itself"),
        ("https://169.254.169.254", "link-local"),
        ("https://0.0.0.0:1", "unspecified"),
        ("https://[::ffff:169.254.169.254]", "link-local"),
    ] {
        let (name, url_flag) = (format!("--name={BOT}"), format!("--issuer={url}"));
        let mut add = vec!["bots", "add", &name, "--roles=dev", "--join-method=oidc", &url_flag];
        add.extend(["--audience=mezite", CLAIMS]);
        scene.mezctl.ok(&add);
        let mut claims = issuer.claims();
        claims["iss"] = url.into();
        assert_refused(Holder::new().join_with(&scene, &issuer.sign(&claims)), ProblemCode::Unavailable);
        let event = scene.mezctl.audit("token.refuse").pop().unwrap();
        assert!(event["error"].as_str().unwrap().contains(why), "{event}");
        scene.mezctl.ok(&["bots", "rm", BOT]);
    }
    // A server with another certificate is not heard.
    let other = Issuer::start(&scene.scratch);
    let (name, url) = (format!("--name={BOT}"), format!("--issuer={}", issuer.url));
    let ca = format!("--issuer-ca={}", other.ca.display());
    let mut add = vec!["bots", "add", &name, "--roles=dev", "--join-method=oidc", &url, &ca];
    add.extend(["--audience=mezite", CLAIMS]);
    scene.mezctl.ok(&add);
    assert_refused(Holder::new().join_with(&scene, &issuer.token()), ProblemCode::Unavailable);
    assert!(issuer.asked().is_empty() && other.asked().is_empty());
}
