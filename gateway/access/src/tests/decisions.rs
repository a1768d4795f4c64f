use std::time::Duration;

use mezite_api::{Labels, Login};

use super::{Alice, role};
use crate::{
    CompiledRole, Decision, ExecLimit, MfaMode, RecordMode, Refusal, Resource, Verb, built_in_roles, explain,
    issuance, may_see, rules_allow,
};

#[test]
fn hostile_089_deny_wins_and_the_deciding_role_is_named() {
    let granting = || role("granting", "  allow: {node_labels: {env: prod}, logins: [root, deploy]}");
    let labels = role("no-prod", "  deny: {node_labels: {env: prod}}");
    let login = role("no-root", "  deny: {logins: [root]}");
    let refused = |alice: &Alice, login: &str| alice.decide(login, "env=prod").unwrap_err();

    let by_labels = refused(&Alice::with(&[granting(), labels]), "deploy");
    assert_eq!(by_labels.role().unwrap().as_str(), "no-prod");
    let alice = Alice::with(&[granting(), login]);
    assert_eq!(refused(&alice, "root").role().unwrap().as_str(), "no-root");
    assert!(alice.decide("deploy", "env=prod").is_ok());
}

#[test]
fn hostile_089_what_is_missing_or_empty_gives_nothing() {
    for spec in [
        "  {}",
        "  allow: {}",
        "  allow: {logins: [root]}",
        "  allow: {node_labels: {}, logins: [root]}",
        "  allow: {node_labels: {other: '*'}, logins: [root]}",
    ] {
        assert_eq!(
            Alice::with(&[role("r", spec)]).decide("root", "env=prod").unwrap_err(),
            Refusal::NoLabels
        );
    }
    for spec in ["  allow: {node_labels: {'*': '*'}}", "  allow: {node_labels: {'*': '*'}, logins: []}"] {
        assert_eq!(Alice::with(&[role("r", spec)]).decide("root", "env=prod").unwrap_err(), Refusal::NoLogin);
    }
    assert_eq!(Alice::with(&[]).decide("root", "").unwrap_err(), Refusal::NoLabels);
}

#[test]
fn hostile_089_labels_and_login_must_come_from_one_role() {
    let node = role("node", "  allow: {node_labels: {env: prod}, logins: [deploy]}");
    let login = role("login", "  allow: {node_labels: {env: dev}, logins: [root]}");
    let alice = Alice::with(&[node, login]);
    assert_eq!(alice.decide("root", "env=prod").unwrap_err(), Refusal::NoLogin);
    assert!(alice.decide("deploy", "env=prod").is_ok());
}

#[test]
fn options_merge_as_the_table_says() {
    let grant = "  allow: {node_labels: {env: prod}, logins: [root]}\n  options:\n";
    let loose = role(
        "loose",
        &format!(
            "{grant}    {{record_session: 'off', record_exec_limit: unlimited, max_session_ttl: 30h, forward_agent: true,
      permit_x11_forwarding: true, max_connections: 9, require_session_mfa: totp, mfa_grace: 10m,
      client_idle_timeout: 1h, permit_env: ['*']}}"
        ),
    );
    let alice = Alice::with(std::slice::from_ref(&loose));
    let alone = alice.decide("root", "env=prod").unwrap();
    assert_eq!((alone.record, alone.record_exec_limit), (RecordMode::Off, ExecLimit::Unlimited));
    assert_eq!((alone.max_session_ttl.as_secs(), alone.mfa_grace.as_secs()), (30 * 3600, 600));
    assert!(alone.forward_agent && alone.x11_forwarding && alone.may_set_env("LD_PRELOAD"));
    assert_eq!((alone.max_connections, alone.max_sessions), (Some(9), None));

    // About the node, but for another login: its restrictions count, its permits do not.
    let beside = role(
        "beside",
        "  allow: {node_labels: {env: prod}, logins: [deploy]}
  options: {max_connections: 2, max_sessions: 4, client_idle_timeout: 5m, disconnect_expired_cert: true, permit_pty: false}",
    );
    // About other nodes: counts for nothing.
    let elsewhere = role(
        "elsewhere",
        "  allow: {node_labels: {env: dev}, logins: [root]}\n  options: {max_connections: 1}",
    );
    let both = Alice::with(&[loose.clone(), beside, elsewhere]).decide("root", "env=prod").unwrap();
    assert_eq!(both.record, RecordMode::Strict);
    assert_eq!(both.record_exec_limit, ExecLimit::Unlimited);
    assert_eq!((both.max_connections, both.max_sessions), (Some(2), Some(4)));
    assert_eq!(both.client_idle_timeout, Some(Duration::from_mins(5)));
    assert_eq!(both.max_session_ttl, Duration::from_hours(12));
    assert_eq!((both.session_mfa, both.mfa_grace.as_secs()), (MfaMode::Totp, 600));
    assert!(both.disconnect_expired_cert && both.pty && both.forward_agent && both.may_set_env("LD_PRELOAD"));

    // Grants the same access with the defaults: every permit must come from both.
    let plain = role("plain", "  allow: {node_labels: {env: prod}, logins: [root]}");
    let granting = Alice::with(&[loose, plain]).decide("root", "env=prod").unwrap();
    assert!(
        !granting.forward_agent && !granting.x11_forwarding && granting.pty && granting.exec && granting.sftp
    );
    assert!(!granting.may_set_env("LD_PRELOAD"));
    assert_eq!(
        granting.granted_by().map(mezite_api::RoleName::as_str).collect::<Vec<_>>(),
        ["loose", "plain"]
    );
}

#[test]
fn without_a_list_only_the_usual_variables_may_be_set() {
    let permits = Alice::with(&[role("r", "  allow: {node_labels: {'*': '*'}, logins: [root]}")])
        .decide("root", "")
        .unwrap();
    for (name, permitted) in [
        ("LANG", true),
        ("LC_ALL", true),
        ("TERM", true),
        ("TERM_PROGRAM", true),
        ("COLORTERM", true),
        ("LANGUAGE", false),
        ("LD_PRELOAD", false),
        ("lang", false),
        ("", false),
    ] {
        assert_eq!(permits.may_set_env(name), permitted, "{name}");
    }
}

#[test]
fn file_copies_stay_within_the_lists_of_every_granting_role() {
    let grant = |name: &str, lists: &str| {
        role(
            name,
            &format!(
                "  allow: {{node_labels: {{'*': '*'}}, logins: [root]}}\n  options: {{file_copy: {{{lists}}}}}"
            ),
        )
    };
    let alice = Alice::with(&[grant("a", "read: ['/srv/**']"), grant("b", "read: ['/**/*.txt'], write: []")]);
    let permits = alice.decide("root", "").unwrap();
    assert!(permits.limits_file_copy());
    assert!(permits.may_read("/srv/a/b.txt"));
    assert!(
        !permits.may_read("/etc/b.txt")
            && !permits.may_read("/srv/b.sh")
            && !permits.may_read("/srv/../x.txt")
    );
    assert!(!permits.may_write("/srv/a.txt"));
    assert!(!Alice::with(&[grant("a", "")]).decide("root", "").unwrap().limits_file_copy());
}

#[test]
fn explaining_names_role_and_field_of_each_outcome() {
    let strict =
        role("strict", "  allow: {node_labels: {env: prod}, logins: [root]}\n  options: {max_sessions: 2}");
    let free =
        role("free", "  allow: {node_labels: {env: prod}, logins: [root]}\n  options: {forward_agent: true}");
    let alice = Alice::with(&[free, strict]);
    let (labels, login) = (Labels::parse("env=prod").unwrap(), Login::parse("root").unwrap());
    let (decision, trace) = explain(&alice.facts(), &login, &labels);
    assert!(matches!(decision, Decision::Allow(_)));
    let cause = |field: &str| {
        let step = trace.iter().find(|step| step.field == field).unwrap();
        (step.outcome.as_str(), step.role.as_ref().map(|role| role.as_str().to_owned()))
    };
    assert_eq!(cause("spec.options.max_sessions"), ("2", Some("strict".into())));
    assert_eq!(cause("spec.options.forward_agent"), ("false", Some("strict".into())));
    assert_eq!(cause("spec.options.record_session"), ("strict", Some("free".into())));
    assert_eq!(cause("spec.allow.logins"), ("allow login", Some("free".into())));

    let (_, trace) = explain(&alice.facts(), &Login::parse("deploy").unwrap(), &labels);
    assert_eq!(
        trace.last().map(|step| (step.field.as_str(), step.outcome.as_str())),
        Some(("spec.allow.logins", "refuse"))
    );
}

#[test]
fn a_node_is_hidden_where_no_login_is_possible() {
    let see = |roles: &[std::sync::Arc<CompiledRole>]| {
        let labels = Labels::parse("env=prod").unwrap();
        may_see(&Alice::with(roles).facts(), &labels)
    };
    let grant = || role("grant", "  allow: {node_labels: {env: prod}, logins: [root]}");
    assert!(see(&[grant()]));
    assert!(!see(&[]));
    assert!(!see(&[role("r", "  allow: {node_labels: {env: prod}}")]));
    assert!(!see(&[role("r", "  allow: {node_labels: {env: prod}, logins: ['{{internal.logins}}']}")]));
    assert!(!see(&[grant(), role("r", "  deny: {logins: ['*']}")]));
    assert!(!see(&[grant(), role("r", "  deny: {node_labels: {env: prod}}")]));
}

#[test]
fn certificates_carry_what_all_roles_permit() {
    let admin = std::sync::Arc::new(CompiledRole::from(built_in_roles().unwrap().remove(0)));
    let ops = role(
        "ops",
        "  allow: {node_labels: {env: prod}, logins: [root, deploy]}\n  options: {max_session_ttl: 4h, port_forwarding: {local: true, remote: true}}",
    );
    let issued = issuance(&Alice::with(&[admin.clone(), ops.clone()]).facts()).unwrap();
    assert_eq!(issued.logins.iter().map(Login::as_str).collect::<Vec<_>>(), ["deploy", "root"]);
    assert_eq!(issued.max_session_ttl.as_secs(), 4 * 3600);
    assert!(issued.pty && issued.port_forwarding && !issued.forward_agent && !issued.pin_source_ip);

    let narrow = role("narrow", "  deny: {logins: [root]}\n  options: {pin_source_ip: true}");
    let issued = issuance(&Alice::with(&[ops.clone(), narrow]).facts()).unwrap();
    assert_eq!(issued.logins, [Login::parse("deploy").unwrap()]);
    assert!(issued.pin_source_ip);

    let indirect = role("indirect", "  options: {direct_access: false}");
    assert!(issuance(&Alice::with(&[ops, indirect]).facts()).unwrap().logins.is_empty());
    let only_admin = issuance(&Alice::with(&[admin]).facts()).unwrap();
    assert!(only_admin.logins.is_empty() && !only_admin.pty);
    assert_eq!(issuance(&Alice::with(&[]).facts()), None);
}

#[test]
fn rules_add_up_and_denials_win() {
    let built_in: Vec<_> = built_in_roles()
        .unwrap()
        .into_iter()
        .map(|role| std::sync::Arc::new(CompiledRole::from(role)))
        .collect();
    let [admin, auditor] = built_in.as_slice() else { panic!("two built-in roles") };
    let both = |roles: &[std::sync::Arc<CompiledRole>], resource, verb| rules_allow(roles, resource, verb);
    assert!(both(std::slice::from_ref(admin), Resource::Lock, Verb::Delete));
    assert!(both(std::slice::from_ref(auditor), Resource::Recording, Verb::Read));
    assert!(!both(std::slice::from_ref(auditor), Resource::Recording, Verb::Delete));
    assert!(!both(std::slice::from_ref(auditor), Resource::Node, Verb::List));
    assert!(!both(&[], Resource::Node, Verb::List));
    let no_rotate = role("r", "  deny: {rules: [{resources: [node], verbs: [rotate]}]}");
    assert!(!both(&[admin.clone(), no_rotate.clone()], Resource::Node, Verb::Rotate));
    assert!(both(&[admin.clone(), no_rotate], Resource::Node, Verb::Update));
}
