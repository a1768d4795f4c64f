use std::net::IpAddr;

use super::{Alice, role};
use crate::{Destination, OwnSshd, Permits};

fn own() -> OwnSshd {
    let addresses = ["10.0.0.7", "fd00::7"].map(|ip| ip.parse::<IpAddr>().unwrap());
    OwnSshd { port: 22, names: vec!["db-1".into(), "db-1.internal".into()], addresses: addresses.to_vec() }
}

fn permits(local: &str) -> Permits {
    let spec = format!(
        "  allow: {{node_labels: {{'*': '*'}}, logins: [root]}}\n  options: {{port_forwarding: {{local: {local}}}}}"
    );
    Alice::with(&[role("r", &spec)]).decide("root", "").unwrap()
}

fn reaches(permits: &Permits, host: &str, port: u16) -> bool {
    permits.may_forward_local(Destination::Tcp { host, port }, &own())
}

#[test]
fn nothing_is_forwarded_unless_a_role_says_so() {
    for local in ["false", "[]"] {
        assert!(!reaches(&permits(local), "web", 80));
    }
    assert!(!permits("false").forwards_local());
    assert!(!permits("true").may_forward_remote(Destination::Tcp { host: "", port: 8080 }, &own()));
    assert!(!permits("true").forwards_remote());
}

#[test]
fn lists_cover_hosts_networks_and_sockets() {
    let list = permits(
        "['*.web:80', 'DB.internal:5432', '10.1.0.0/16:*', '192.168.0.0/24', '[fd01::/16]:443', 'unix:/run/*.sock', 'unix:/srv/**']",
    );
    for (host, port, expected) in [
        ("a.web", 80, true),
        ("A.WEB", 80, true),
        ("a.web", 81, false),
        ("a.web.evil", 80, false),
        ("db.internal", 5432, true),
        ("dbxinternal", 5432, false),
        ("10.1.2.3", 9, true),
        ("10.2.0.0", 9, false),
        ("10.1.evil.example", 9, false),
        ("::ffff:10.1.2.3", 9, true),
        ("192.168.0.9", 1, true),
        ("fd01::9", 443, true),
        ("fd02::9", 443, false),
    ] {
        assert_eq!(reaches(&list, host, port), expected, "{host}:{port}");
    }
    for (path, expected) in [
        ("/run/a.sock", true),
        ("/run/a/b.sock", false),
        ("/srv/a/b", true),
        ("/srv/../etc/x", false),
        ("run/a.sock", false),
    ] {
        assert_eq!(list.may_forward_local(Destination::Unix(path), &own()), expected, "{path}");
    }
}

#[test]
fn no_wildcard_reaches_the_own_sshd() {
    let spellings = [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "localhost.localdomain",
        "x.localhost",
        "127.0.0.1",
        "127.8.8.8",
        "127.1",
        "0177.1",
        "0x7f000001",
        "2130706433",
        "::1",
        "[::1]",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "0",
        "::",
        "",
        "10.0.0.7",
        "::ffff:10.0.0.7",
        "0xa000007",
        "fd00::7",
        "db-1",
        "DB-1",
        "db-1.internal",
        "db-1.internal.",
    ];
    for local in [
        "true",
        "['*:*']",
        "['*:22']",
        "['0.0.0.0/0:22', '::/0', '*:22']",
        "['db-*:22']",
        "['localhost:*']",
        "['127.0.0.1:*', '127.0.0.1/32:22']",
    ] {
        let permits = permits(local);
        for host in spellings {
            assert!(!reaches(&permits, host, 22), "{local} {host}");
        }
    }
    let any = permits("true");
    assert!(reaches(&any, "localhost", 5432) && reaches(&any, "other", 22) && reaches(&any, "10.0.0.8", 22));
}

#[test]
fn an_exact_entry_reaches_the_own_sshd() {
    let exact = permits("['localhost:22', '127.0.0.1:22', '*:*']");
    assert!(
        reaches(&exact, "localhost", 22) && reaches(&exact, "127.0.0.1", 22) && reaches(&exact, "127.1", 22)
    );
    assert!(!reaches(&exact, "db-1", 22) && !reaches(&exact, "::1", 22));
}

#[test]
fn every_granting_role_must_cover_the_destination() {
    let spec = |local: &str| {
        format!(
            "  allow: {{node_labels: {{'*': '*'}}, logins: [root]}}\n  options: {{port_forwarding: {{local: {local}}}}}"
        )
    };
    let alice = Alice::with(&[role("a", &spec("['*:80', '*:443']")), role("b", &spec("['web:*']"))]);
    let both = alice.decide("root", "").unwrap();
    assert!(reaches(&both, "web", 80));
    assert!(!reaches(&both, "web", 81) && !reaches(&both, "other", 80));
}
