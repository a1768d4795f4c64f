use mezite_api::Login;

use super::{Alice, parse, role};
use crate::{Refusal, issuance};

fn matches(pattern: &str, value: &str) -> bool {
    let spec = format!("  allow: {{node_labels: {{env: {}}}, logins: [root]}}", serde_json::json!(pattern));
    let alice = Alice::with(&[role("r", &spec)]);
    let mut labels = mezite_api::Labels::new();
    labels.add("env".into(), value.into()).unwrap();
    alice.decide("root", &labels.to_string()).is_ok()
}

#[test]
fn hostile_090_everything_but_the_star_is_itself() {
    for (pattern, value, expected) in [
        ("prod*", "prod", true),
        ("prod*", "preprod", false),
        ("prod", "prod-1", false),
        ("prod", "Prod", false),
        ("p.od", "prod", false),
        ("p.od", "p.od", true),
        ("prod?", "prod1", false),
        ("[pq]rod", "prod", false),
        ("(prod)", "prod", false),
        ("prod|dev", "dev", false),
        ("prod$", "prod", false),
        ("caf\u{e9}", "cafe\u{301}", false),
        ("caf\u{e9}", "caf\u{e9}", true),
        ("1000", "1e3", false),
        ("1.0", "1", false),
        ("01", "1", false),
        ("a b", "a b", true),
        ("a b", "a  b", false),
        ("^prod|dev$", "prod-evil", false),
        ("^prod|dev$", "dev", true),
        ("^p.*$", "prod", true),
        ("^p$", "prod", false),
        ("^(?i)prod$", "PROD", true),
        ("^[0-9]{1,3}$", "4711", false),
    ] {
        assert_eq!(matches(pattern, value), expected, "{pattern} against {value}");
    }
}

#[test]
fn hostile_090_an_endless_regular_expression_is_refused() {
    for pattern in [
        "^(a{1000}){1000}$",
        "^(a{100}){50}$",
        "^((((((((((((((((((((a))))))))))))))))))))$",
        &format!("^{}$", "a".repeat(300)),
    ] {
        let spec = format!("  allow: {{node_labels: {{env: '{pattern}'}}}}");
        assert!(parse("r", &spec).is_err(), "{pattern}");
    }
}

#[test]
fn hostile_090_filled_in_values_are_never_patterns() {
    let template = role("r", "  allow: {node_labels: {env: prod}, logins: ['{{trait.accounts}}']}");
    let mut alice = Alice::with(&[template]);
    for values in
        [vec![], vec![""], vec!["*"], vec!["^.*$"], vec!["ro*"], vec!["{{internal.logins}}"], vec![" root"]]
    {
        alice.traits.insert("accounts".into(), values.iter().map(ToString::to_string).collect());
        assert_eq!(alice.decide("root", "env=prod").unwrap_err(), Refusal::NoLogin, "{values:?}");
        assert!(issuance(&alice.facts()).unwrap().logins.is_empty(), "{values:?}");
    }
    alice.traits.insert("accounts".into(), vec!["ROOT".into()]);
    assert!(alice.decide("root", "env=prod").is_err());
    alice.traits.insert("accounts".into(), vec!["*".into(), "root".into()]);
    assert!(alice.decide("root", "env=prod").is_ok());
    assert!(alice.decide("deploy", "env=prod").is_err());
    assert_eq!(issuance(&alice.facts()).unwrap().logins, [Login::parse("root").unwrap()]);
}

#[test]
fn hostile_090_templates_deny_too_and_an_empty_one_denies_nothing() {
    let granting = role("g", "  allow: {node_labels: {'*': '*'}, logins: [root, deploy]}");
    let denying = role("d", "  deny: {logins: ['{{internal.logins}}', '{{trait.none}}']}");
    let mut alice = Alice::with(&[granting, denying]);
    assert!(alice.decide("root", "").is_ok());
    alice.logins = vec![Login::parse("root").unwrap()];
    assert_eq!(alice.decide("root", "").unwrap_err().reason(), "deny");
    assert!(alice.decide("deploy", "").is_ok());
}

#[test]
fn hostile_090_a_grant_of_every_node_can_be_told() {
    assert!(role("r", "  allow: {node_labels: {'*': '*'}, logins: [root]}").grants_every_node());
    assert!(!role("r", "  allow: {node_labels: {'*': '*'}}").grants_every_node());
    assert!(!role("r", "  allow: {node_labels: {env: '*'}, logins: [root]}").grants_every_node());
}
