//! `export`, and the way back.

use crate::{ALL, Cluster};

/// What documents could lose: traits that are called as logins are, many keys, options, patterns, odd text.
const MORE: &str = r#"kind: role
version: v7
metadata: {name: dev, description: "ESC \e[31m, C1 \u009b, bidi \u202e, NEL \u0085, 'quotes\", # no comment"}
spec:
  allow:
    node_labels: {env: [prod, "^stage-.*$"], 'team': '*'}
    logins: ["{{internal.logins}}", "{{trait.team}}", ubuntu]
    join_sessions:
    - {name: watch, roles: [dev], modes: [observer]}
  deny:
    logins: [root]
  options:
    max_session_ttl: 8h
    record_session: best_effort
    record_exec_limit: 16MiB
    port_forwarding: {local: ["db:5432", "10.0.0.0/8:*"], remote: false}
    permit_env: [LANG, "LC_*"]
    file_copy: {read: ["/srv/**"]}
    client_idle_timeout: 30m
---
kind: user
metadata: {name: bob}
spec: {roles: [dev], logins: [bob], traits: {logins: ["not a login"], x: ["no", "1e3", "~", ""]}, disabled: true}
---
kind: user
metadata: {name: carol}
spec: {roles: [], logins: [], traits: {logins: [a]}}
---
kind: bot
metadata: {name: ci}
spec: {roles: [dev], ttl: 90m, logins: [deploy], traits: {a: [b]}, disabled: true}
---
kind: bot
metadata: {name: pipeline}
spec:
  roles: [dev]
  oidc:
    issuer: https://token.actions.githubusercontent.com
    audience: mezite
    claims: {repository: acme/app, ref: refs/heads/main}
---
kind: node
spec: {addr: "[2001:db8::7]:2222", hostname: Web-1}
---
kind: lock
metadata: {name: 00000000-0000-4000-8000-000000000001}
spec: {target: {source_ip: 192.0.2.7}, expires: 2099-01-01T00:00:00.123456Z}
"#;

#[test]
fn what_is_exported_makes_the_same_in_an_empty_gateway() {
    let (first, second) = (Cluster::start(), Cluster::start());
    first.send(&["create"], ALL).assert_ok();
    first.send(&["create"], MORE).assert_ok();
    first.mezctl.ok(&["bots", "rotate-token", "ci"]);
    let exported = first.mezctl.ok(&["export"]);
    for secret in ["tok-bot-", "revision", "status", "created"] {
        assert!(!exported.contains(secret), "{secret}: {exported}");
    }
    second.send(&["apply"], &exported).assert_ok();
    assert_eq!(second.mezctl.ok(&["export"]), exported);
    let before = second.events();
    let again = second.send(&["apply"], &exported);
    assert_eq!(again.assert_ok().err().matches("unchanged ").count(), 12, "{}", again.err());
    assert_eq!(second.events(), before, "nothing is done");
    let other = exported.replace("acme/app", "evil/app");
    let refused = second.send(&["apply"], &other);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err().contains("remove the bot and add it again"), "{}", refused.err());
    assert_eq!(second.mezctl.ok(&["export"]), exported, "who may become a bot is not changed in passing");
    // And it is what it was, not only what it says.
    for list in [&["users", "ls"][..], &["roles", "ls"]] {
        let strip = |cluster: &Cluster| {
            let mut all = cluster.mezctl.list(list);
            for one in &mut all {
                for field in ["id", "created", "revision"] {
                    one.as_object_mut().unwrap().remove(field);
                }
            }
            all
        };
        assert_eq!(strip(&first), strip(&second));
    }
}

#[test]
fn an_empty_gateway_exports_nothing() {
    let cluster = Cluster::start();
    assert_eq!(cluster.mezctl.ok(&["export"]), "");
}
