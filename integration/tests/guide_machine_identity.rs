//! `docs/manual/guide-machine-identity.md`, followed from top to bottom.

use jsonwebtoken::Algorithm;
use mezite_integration::guide::{Machine, follow};
use mezite_integration::issuer::{SigningKey, claims};
use mezite_integration::text;
use serde_json::json;

/// What a cluster of Kubernetes does: it publishes its keys, and signs tokens for its pods.
fn service_account(machine: &mut Machine) {
    let key = SigningKey::generate(Algorithm::RS256);
    let token = || {
        let mut claims = claims("https://kubernetes.default.svc.cluster.local");
        claims["sub"] = "system:serviceaccount:prod:deployer".into();
        claims["aud"] = json!(["mezite"]);
        key.sign(&claims)
    };
    machine.write("/root/jwks.json", &json!({ "keys": [key.jwk()] }).to_string());
    machine.write("/run/mezite/token", &token());
    machine.write("/run/mezite/next-token", &token());
}

#[test]
fn machine_identities_as_the_guide_has_it() {
    let mut machine = Machine::start();
    service_account(&mut machine);
    follow(&mut machine, "guide-machine-identity.md");
    let joins = machine.audit("bot.join");
    assert_eq!(joins.len(), 4, "{joins:#?}");
    let refused = machine.audit("token.refuse");
    assert_eq!(refused.len(), 2, "one token of each kind was shown twice: {refused:#?}");
    let removed = machine.audit("bot.delete");
    assert_eq!(text(&removed[0], "subject"), "github-deploy", "{removed:#?}");
}
