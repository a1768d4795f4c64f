//! Rows 21 and 38 of the table of hostile inputs, as far as grammars decide them.

use crate::node::{NodeAdd, RotateHostKey};
use crate::{
    HostKey, Invalid, Labels, Login, NodeName, NodeRef, Port, SshName, Target, UserKey, UserName, request,
};

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM//rrPhRsSNpIYAm49H434ndxFOZ4Xf3mQ3o052lX8f";
const ED25519_FINGERPRINT: &str = "SHA256:H8MCI5eV4EevFyGt6uRBZCVNLCXjDIa+q6CHyaXUcZU";
const ED25519_CERTIFICATE: &str = "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIK4Q50VcwMWHHsCZeLe9fblOS0FcLLV+fz3SEvwneY3RAAAAIEdKU1/FF0uwDTSZVBncbsjg/9FEWGcL2vf6c1+Jq7qZAAAAAAAAAAAAAAACAAAAAXgAAAAFAAAAAWEAAAAAAAAAAP//////////AAAAAAAAAAAAAAAAAAAAMwAAAAtzc2gtZWQyNTUxOQAAACDP/66z4UbEjaSGAJuPR+N+J3cRTmeF395kN6NOdpV/HwAAAFMAAAALc3NoLWVkMjU1MTkAAABAIxi61aBxPeMSI8MpIMLkBrZmGEZWQTGmrXcCuIQts6qp/77mwlJOy46XEpE3tZ/bNEMTo51babhbdFBHK5/2Bw==";
const P521: &str = "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAEJjLi31xP3FsY9jTcKQXOgUYsLsRq18lAJH0Zh55Cd5IwnoxPV3crf8rlsSG512Y/w/lWOT2khw910CkeuBGOldAHciqOtJYvAMsgw+kWXu18X6HyRJnBhASF6MejUL31XdoNZiS0B+fHqwuWUqk9nuTyLhL/B7Evwi6/fVO+4sWjhrQ==";
const RSA_1024: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDZQmbteWqmGTbukrFW3ZYfMOk9UN5gwXDokTKG1yRd1J1FMpKv26ZcZ3diekZMrrvwH2KIW2g9g4k5aJlJZBLwS4PHBzkBwa5ZG21A2VIUGETNWq7kxwvFowxnOkU4jrq5mKin78O/sidoFRRGZizF9bqX0BxhvLktNoNnjwooMQ==";
const RSA_2048: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCqiiPYMQBYNieZQ4xseCkF+VRGq9VMiP+Q0/+PaxTX2QoxuPIxqRtswwK3GrtnOFcALJCZ++g1SbOqSsltZLdPWT7i/VRPYT+bfLwzH4yslvjfBRf3Zyi9iq4tFWP0xZB/OUvKibDjt5sj3s1NZSvmF1mAta3NNfkc4mNCS8MkLpkS6jkzJV29kwLdDzY3fZOX/soz1fF+MFieRmG80zkKrzuR5hvhBAjK14vv89SZZ+Y348DMA2Qwa+h8MwOFghOehN0Z3htthJ9KhY/OnBV4XG+ZgK7VrRmalwWxFycvcbEXBY4l47A6cxnpCR0nYB8Nz5DSZc/qdl2GKQCS08mp";

fn target(text: &str) -> Option<(String, String, Option<u16>)> {
    match SshName::parse(text.as_bytes()) {
        Ok(SshName::Target(Target { login, node })) => {
            Some((login.to_string(), node.host.to_string(), node.port.map(Port::number)))
        }
        _ => None,
    }
}

#[test]
fn hostile_021_every_documented_form_of_a_target_is_read() {
    for (text, login, host, port) in [
        ("ubuntu@db-legacy-01", "ubuntu", "db-legacy-01", None),
        ("ubuntu@db-legacy-01:22", "ubuntu", "db-legacy-01", Some(22)),
        ("ubuntu+db-legacy-01", "ubuntu", "db-legacy-01", None),
        ("ubuntu@DB-legacy-01.cluster", "ubuntu", "DB-legacy-01.cluster", None),
        ("root@10.0.0.7", "root", "10.0.0.7", None),
        ("root@10.0.0.7:2222", "root", "10.0.0.7", Some(2222)),
        ("root@::1", "root", "::1", None),
        ("root@[::1]:22", "root", "::1", Some(22)),
        ("root@4b1c2c2e-8a39-4f7e-9c39-0d6a3f0a0b51", "root", "4b1c2c2e-8a39-4f7e-9c39-0d6a3f0a0b51", None),
    ] {
        assert_eq!(target(text), Some((login.into(), host.into(), port)), "{text}");
    }
    assert_eq!(SshName::parse(b"ubuntu"), Ok(SshName::Login(Login::parse("ubuntu").unwrap())));
    let by_id = NodeRef::parse("4b1c2c2e-8a39-4f7e-9c39-0d6a3f0a0b51").unwrap();
    assert!(by_id.uuid().is_some());
    assert!(NodeRef::parse("db-legacy-01").unwrap().uuid().is_none());
}

#[test]
fn hostile_021_a_name_outside_the_grammar_is_refused_as_name() {
    let long = "a".repeat(64 * 1024);
    let long_target = format!("root@{}", "a".repeat(64 * 1024));
    let cases: &[(&str, &[u8])] = &[
        ("empty", b""),
        ("64 KiB", long.as_bytes()),
        ("64 KiB of node", long_target.as_bytes()),
        ("bad UTF-8", b"root@\xff\xfe"),
        ("NUL", b"root\0@node"),
        ("NUL in the node", b"root@node\0.evil"),
        ("newline", b"root@node\n"),
        ("carriage return", b"root\r@node"),
        ("percent", b"%h@node"),
        ("bidi", "ro\u{202e}ot@node".as_bytes()),
        ("zero width", "root@no\u{200b}de".as_bytes()),
        ("NFD look-alike", "e\u{301}@node".as_bytes()),
        ("Cyrillic look-alike", "r\u{43e}ot@node".as_bytes()),
        ("separator twice", b"root@node@other"),
        ("both separators", b"root+node@other"),
        ("both separators, other order", b"root@node+other"),
        ("plus twice", b"root+node+other"),
        ("no login", b"@node"),
        ("no node", b"root@"),
        ("option as login", b"-oProxyCommand=x@node"),
        ("option as node", b"root@-node"),
        ("shell", b"$(id)@node"),
        ("backtick", b"`id`@node"),
        ("blank", b" root@node"),
        ("comma", b"root,deploy@node"),
        ("path", b"../x@node"),
        ("dots", b"..@node"),
        ("empty label", b"root@a..b"),
        ("path in the node", b"root@a/b"),
        ("port 0", b"root@node:0"),
        ("port 65536", b"root@node:65536"),
        ("no port", b"root@node:"),
        ("signed port", b"root@node:+22"),
        ("two ports", b"root@node:22:22"),
        ("IPv6 zone", b"root@[fe80::1%eth0]:22"),
        ("login too long", b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@node"),
        ("mistyped address", b"root@10.0.0.777"),
        ("IPv6 and port without brackets", b"root@fe80::1::22"),
    ];
    for (label, bytes) in cases {
        let refused = SshName::parse(bytes).expect_err(label);
        assert_eq!(refused.field, "name", "{label}");
        assert!(!refused.to_string().contains(char::is_control), "{label}");
    }
}

#[test]
fn hostile_021_user_names_fold_and_nothing_else_does() {
    assert_eq!(UserName::parse("Alice.B@x+y-1").unwrap().as_str(), "alice.b@x+y-1");
    for text in ["", "a b", "a\n", "a/b", "Ä", "\u{212a}", "a%", "a:b", "a\u{202e}b", "x".repeat(65).as_str()]
    {
        assert_eq!(UserName::parse(text).map_err(|invalid| invalid.field), Err("user"), "{text:?}");
    }
    assert_ne!(Login::parse("Root"), Login::parse("root"));
    assert_eq!(NodeName::parse("DB-1"), NodeName::parse("db-1"));
    assert_eq!(NodeName::parse("DB-1").unwrap().as_str(), "DB-1");
}

#[test]
fn hostile_038_host_keys_are_one_plain_public_key() {
    let private = format!(
        "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
        "c2VjcmV0".repeat(9)
    );
    let two = format!("{ED25519}\n{RSA_2048}\n");
    let options = format!("from=\"10.0.0.1\",no-pty {ED25519}");
    let crlf = format!("{ED25519}\r\n");
    let marked = format!("@cert-authority * {ED25519}");
    let truncated = ED25519.get(..60).unwrap();
    let long = format!("{ED25519} {}", "x".repeat(10_000));
    let mixed = ED25519.replacen("ssh-ed25519 ", "ssh-rsa ", 1);
    for (label, text, said) in [
        ("two lines", two.as_str(), "one line"),
        ("private key", &private, "private key"),
        ("certificate", ED25519_CERTIFICATE, "certificate"),
        ("options", &options, "nothing before it"),
        ("known_hosts marker", &marked, "nothing before it"),
        ("CRLF", &crlf, "carriage returns"),
        ("RSA-1024", RSA_1024, "2048 bits"),
        ("truncated", truncated, "well-formed"),
        ("type and key differ", &mixed, "well-formed"),
        ("too long", &long, "too long"),
        ("empty", "", "TYPE BASE64"),
        ("blank before", &format!(" {ED25519}"), "nothing before it"),
        ("DSA", "ssh-dss AAAAB3NzaC1kc3MAAACBAP", "known type"),
        ("NUL", &format!("{ED25519}\0"), "well-formed"),
        (
            "security key",
            "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIM//rrPhRsSNpIYAm49H434ndxFOZ4Xf3mQ3o052lX8fAAAABHNzaDo=",
            "of type",
        ),
    ] {
        let refused = HostKey::parse(text).expect_err(label);
        assert_eq!(refused.field, "host_keys", "{label}");
        assert!(refused.reason.contains(said), "{label}: {refused}");
        assert!(
            !refused.to_string().contains("c2VjcmV0") && !refused.to_string().contains("AAAA"),
            "{label}"
        );
    }
}

#[test]
fn hostile_038_good_keys_keep_their_fingerprint_and_lose_their_comment() {
    for key in [ED25519, P521, RSA_2048] {
        let commented = format!("{key} root@db-legacy-01\n");
        assert_eq!(HostKey::parse(&commented).unwrap().to_string(), key);
        assert_eq!(UserKey::parse(key).unwrap().to_string(), key);
    }
    assert_eq!(HostKey::parse(ED25519).unwrap().fingerprint().to_string(), ED25519_FINGERPRINT);
    assert!(UserKey::parse(RSA_1024).is_err());
    assert!(UserKey::parse(ED25519_CERTIFICATE).is_err());
    assert!(!format!("{:?}", HostKey::parse(ED25519).unwrap()).contains("AAAA"));
}

fn body(field: &str, value: &str) -> Vec<u8> {
    let mut fields = vec![("name", r#""db-1""#), ("host", r#""10.0.0.7""#), ("port", "22"), ("labels", "{}")];
    fields.retain(|(name, _)| *name != field);
    fields.push((field, value));
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", pairs.join(",")).into_bytes()
}

#[test]
fn hostile_038_a_bad_field_of_a_new_node_is_named() {
    assert!(request::parse::<NodeAdd>(&body("port", "2222")).is_ok());
    let long = format!("\"{}\"", "a".repeat(256));
    let many: Vec<String> = (0..65).map(|n| format!("\"k{n}\":\"v\"")).collect();
    let many = format!("{{{}}}", many.join(","));
    for (field, value) in [
        ("host", r#""user@h""#),
        ("host", r#""ssh://h""#),
        ("host", r#""http://h/""#),
        ("host", r#""-oProxyCommand=x""#),
        ("host", r#""""#),
        ("host", r#"" ""#),
        ("host", r#""h h""#),
        ("host", r#""h:22""#),
        ("host", r#""h\u0000""#),
        ("host", r#""fe80::1%eth0""#),
        ("host", r#""10.0.0""#),
        ("port", "0"),
        ("port", "65536"),
        ("name", r#""a/b""#),
        ("name", r#""..""#),
        ("name", r#""a..b""#),
        ("name", r#""a\u0000b""#),
        ("name", r#""a b""#),
        ("name", r#""-a""#),
        ("name", r#""10.0.0.7""#),
        ("name", r#""::1""#),
        ("name", r#""4b1c2c2e-8a39-4f7e-9c39-0d6a3f0a0b51""#),
        ("name", long.as_str()),
        ("labels", r#"{"a=b":"c"}"#),
        ("labels", r#"{"a":"b=c"}"#),
        ("labels", r#"{"a":"b,c"}"#),
        ("labels", r#"{"a,b":"c"}"#),
        ("labels", r#"{"a":"b\nc"}"#),
        ("labels", r#"{"a\n":"b"}"#),
        ("labels", r#"{"a":""}"#),
        ("labels", r#"{"a":" b"}"#),
        ("labels", r#"{"a":"b\u202ec"}"#),
        ("labels", r#"{"*":"*"}"#),
        ("labels", many.as_str()),
        ("host_keys", r#"["nonsense"]"#),
        ("surprise", "1"),
    ] {
        let problem = request::parse::<NodeAdd>(&body(field, value)).expect_err(value);
        assert_eq!((problem.field.as_deref(), problem.status), (Some(field), 400), "{value}: {problem}");
    }
    let twice = request::parse::<NodeAdd>(&body("labels", r#"{"a":"b","a":"c"}"#)).unwrap_err();
    assert_eq!(twice.field.as_deref(), Some("labels.a"));
}

#[test]
fn hostile_038_what_only_the_whole_request_shows_is_refused_too() {
    let add = |keys: Vec<HostKey>, verify| {
        let mut add: NodeAdd = request::parse(&body("port", "22")).unwrap();
        (add.host_keys, add.verify_host_key) = (keys, verify);
        add.check().map_err(|Invalid { field, .. }| field)
    };
    let key = || HostKey::parse(ED25519).unwrap();
    assert_eq!(add(vec![key()], true), Ok(()));
    assert_eq!(add(vec![], false), Ok(()));
    assert_eq!(add(vec![], true), Err("host_keys"));
    assert_eq!(add(vec![key(), key()], false), Err("host_keys"));
    assert_eq!(add(vec![key(); 9], false), Err("host_keys"));
    let rotate = |host_keys| RotateHostKey { host_keys, verify_host_key: false }.check();
    assert!(rotate(vec![]).is_err());
    assert!(rotate(vec![key()]).is_ok());
}

#[test]
fn hostile_038_labels_of_the_command_line() {
    let labels = Labels::parse("env=production,role=db,managed-by=ansible").unwrap();
    assert_eq!(labels.get("role"), Some("db"));
    assert_eq!(Labels::parse(&labels.to_string()), Ok(labels));
    assert!(Labels::parse("").unwrap().is_empty());
    for text in
        ["env", "env=", "=x", "env=a=b", "env=a,", ",env=a", "env=a,env=b", "env=a\n", "e nv=a", "-e=a"]
    {
        assert_eq!(Labels::parse(text).map_err(|invalid| invalid.field), Err("labels"), "{text:?}");
    }
}
