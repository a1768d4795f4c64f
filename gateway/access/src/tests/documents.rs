use super::parse;
use crate::{Role, RoleError, YamlError};

fn error(yaml: &str) -> (u64, String) {
    match Role::parse_yaml(yaml) {
        Err(RoleError::Malformed(YamlError { line, reason })) => (line, reason),
        other => panic!("{other:?}\n{yaml}"),
    }
}

const FULL: &str = r"kind: role
version: v7
metadata:
  name: everything
  description: Every field there is
spec:
  allow:
    node_labels:
      env: [prod, 'staging*']
      team: '^(db|web)$'
    logins: [root, '{{internal.logins}}', '{{ trait.accounts }}']
    rules:
      - resources: [node, role]
        verbs: [list, read, rotate]
    join_sessions:
      - name: watch
        roles: [dev]
        kinds: [ssh]
        modes: [observer, peer]
  deny:
    node_labels: {'*': '*'}
    logins: ['*', guest]
    rules:
      - resources: ['*']
        verbs: [delete]
  options:
    max_session_ttl: 8h
    record_session: best_effort
    record_exec_limit: 64KiB
    forward_agent: true
    permit_x11_forwarding: true
    port_forwarding:
      local: ['db.internal:5432', '*.web:80', '10.0.0.0/8:*', 'unix:/run/*.sock', '[fd00::1]:22']
      remote: true
    client_idle_timeout: 15m
    disconnect_expired_cert: true
    max_connections: 3
    max_sessions: 5
    require_session_mfa: totp
    mfa_grace: 5m
    direct_access: false
    pin_source_ip: true
    permit_pty: false
    permit_exec: false
    permit_sftp: false
    permit_env: [LANG, 'LC_*']
    file_copy: {read: ['/srv/**'], write: []}
    require_session_join:
      - name: two
        filter: auditor
        count: 1
        modes: [moderator]
        on_leave: pause
";

#[test]
fn every_field_of_the_table_is_read_and_kept() {
    let role = Role::parse_yaml(FULL).unwrap();
    assert_eq!(role.name().as_str(), "everything");
    assert_eq!(role.description(), "Every field there is");
    let json = serde_json::to_value(&role).unwrap();
    assert_eq!(json["spec"]["options"]["port_forwarding"]["local"][4], "[fd00::1]:22");
    assert_eq!(json["spec"]["options"]["record_exec_limit"], "64KiB");
    assert_eq!(serde_json::from_value::<Role>(json).unwrap(), role);
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    for (known, unknown, line) in [
        ("    node_labels:", "    node_label:", 8),
        ("    logins: [root", "    login: [root", 11),
        ("        verbs: [list", "        verb: [list", 14),
        ("    max_session_ttl", "    max_sesion_ttl", 27),
        ("      remote: true", "      remotely: true", 34),
        ("  description:", "  labels:", 5),
        ("  options:", "  option:", 26),
    ] {
        let broken = FULL.replacen(known, unknown, 1);
        let (at, reason) = error(&broken);
        let key = unknown.trim().split(':').next().unwrap();
        assert_eq!(at, line, "{reason}");
        assert!(reason.contains(key), "{key}: {reason}");
    }
}

#[test]
fn a_bad_value_is_found_with_its_line() {
    for (good, bad, line) in [
        ("max_session_ttl: 8h", "max_session_ttl: 8", 27),
        ("record_session: best_effort", "record_session: sometimes", 28),
        ("record_exec_limit: 64KiB", "record_exec_limit: 64kb", 29),
        ("'10.0.0.0/8:*'", "'10.0.0.0/33:*'", 33),
        ("'db.internal:5432'", "'db.internal:0'", 33),
        ("'unix:/run/*.sock'", "'unix:run/x'", 33),
        ("team: '^(db|web)$'", "team: '^(db|web$'", 10),
        ("team: '^(db|web)$'", "team: '^db'", 10),
        ("team: '^(db|web)$'", "team: '{{trait.team}}'", 10),
        ("team: '^(db|web)$'", "team: ''", 10),
        ("logins: [root", "logins: ['*'", 11),
        ("logins: [root", "logins: ['root; id'", 11),
        ("'{{ trait.accounts }}'", "'{{external.x}}'", 11),
        ("'{{ trait.accounts }}'", "'x{{trait.a}}'", 11),
        ("resources: [node, role]", "resources: [nodes]", 13),
        ("{'*': '*'}", "{'*': 'x'}", 21),
        ("{'*': '*'}", "{'*': '*', env: prod}", 21),
        ("{'*': '*'}", "{'e*': 'x'}", 21),
        ("version: v7", "version: v9", 2),
        ("kind: role", "kind: user", 1),
        ("name: everything", "name: a/b", 4),
        ("max_sessions: 5", "max_sessions: -5", 38),
        ("permit_pty: false", "permit_pty: no", 43),
    ] {
        let broken = FULL.replacen(good, bad, 1);
        assert_ne!(broken, FULL, "{good}");
        let (at, reason) = error(&broken);
        assert_eq!(at, line, "{bad}: {reason}");
        assert!(!reason.contains(" at line "), "{bad}: {reason}");
    }
}

#[test]
fn yaml_that_hides_something_is_refused() {
    let deny_twice = FULL.replacen("  options:", "  deny: {}\n  options:", 1);
    let alias = FULL.replacen("logins: [root", "logins: [&x root", 1);
    let merged = FULL.replacen("  options:\n", "  options:\n    <<: {permit_pty: true}\n", 1);
    let tagged = FULL.replacen("logins: [root", "logins: [!secret root", 1);
    let two = format!("{FULL}---\n{FULL}");
    let tab = FULL.replacen("  allow:\n    node", "  allow:\n\tnode", 1);
    let bomb = "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nkind: *c\n";
    let deep = format!("kind: {}", "[".repeat(10_000));
    let number = FULL.replacen("env: [prod,", "env: [1e3,", 1);
    let truth = FULL.replacen("team: '^(db|web)$'", "team: true", 1);
    for yaml in [
        &deny_twice,
        &alias,
        &merged,
        &tagged,
        &two,
        &tab,
        bomb,
        &deep,
        &number,
        &truth,
        "",
        "- a",
        "x",
        "\0",
    ] {
        error(yaml);
    }
    assert_eq!(Role::parse_yaml(&"#".repeat(300_000)), Err(RoleError::TooLarge));
}

#[test]
fn words_that_other_readers_take_for_booleans_stay_text() {
    let role = parse("r", "  allow: {node_labels: {country: no, answer: yes}}").unwrap();
    let json = serde_json::to_value(&role).unwrap();
    assert_eq!(json["spec"]["allow"]["node_labels"]["country"][0], "no");
}

#[test]
fn errors_are_one_printable_line() {
    let (_, reason) = error("kind: role\n\"\\e[31m\u{202e}\": 1\n");
    assert!(!reason.contains(|c: char| c.is_control() || c == '\u{202e}'), "{reason}");
}
