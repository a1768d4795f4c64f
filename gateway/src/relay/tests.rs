//! The permit table, message by message.

use std::collections::BTreeMap;
use std::sync::Arc;

use mezite_access::{CompiledRole, Decision, OwnSshd, Permits, Role, UserFacts, decide};
use mezite_api::{Labels, Login, UserName};
use mezite_recording::SessionId;
use mezite_ssh::wire::{Writer, msg};

use super::channel::Side;
use super::message::{bare, open_failure};
use super::session::{Session, Start};
use super::table::{Hold, Notice, Table, Verdict};

/// What a role with these options permits.
fn permits(options: &str) -> Arc<Permits> {
    let yaml = format!(
        "kind: role\nmetadata: {{name: dev}}\nspec:\n  allow: {{logins: [root], node_labels: {{'*': '*'}}}}\n  options: {{{options}}}\n"
    );
    let role = Arc::new(CompiledRole::from(Role::parse_yaml(&yaml).unwrap()));
    let user = UserName::parse("alice").unwrap();
    let (traits, logins) = (BTreeMap::new(), Vec::new());
    let facts = UserFacts { name: &user, roles: &[role], traits: &traits, logins: &logins };
    match decide(&facts, &Login::parse("root").unwrap(), &Labels::new()) {
        Decision::Allow(permits) => Arc::new(permits),
        Decision::Refuse(refusal) => panic!("{refusal}"),
    }
}

fn table(options: &str) -> Table {
    let own = OwnSshd { port: 22, names: vec!["db".into()], addresses: vec!["10.0.0.7".parse().unwrap()] };
    Table::new(permits(options), own, true)
}

fn open(kind: &str, sender: u32, rest: &[u8]) -> Vec<u8> {
    let mut message = vec![msg::CHANNEL_OPEN];
    message.string(kind).u32(sender).u32(1000).u32(32_768).raw(rest);
    message
}

fn confirmation(client: u32, node: u32) -> Vec<u8> {
    let mut message = vec![msg::CHANNEL_OPEN_CONFIRMATION];
    message.u32(client).u32(node).u32(1000).u32(32_768);
    message
}

fn request(recipient: u32, kind: &str, rest: &[u8]) -> Vec<u8> {
    let mut message = vec![msg::CHANNEL_REQUEST];
    message.u32(recipient).string(kind).bool(true).raw(rest);
    message
}

fn data(recipient: u32, length: usize) -> Vec<u8> {
    let mut message = vec![msg::CHANNEL_DATA];
    message.u32(recipient).string(vec![0; length]);
    message
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.string(text);
    bytes
}

/// A table with a session on the client's channel 3 and the node's channel 7.
fn with_session(options: &str) -> Table {
    let mut table = table(options);
    let held = table.judge(Side::Client, &open("session", 3, b"")).unwrap();
    assert_eq!(held, Verdict::Hold(Hold::Open { channel: 3, window: 1000 }));
    let session = Session::new(SessionId::from_bytes([1; 16]), permits(options));
    table.session_permitted(3, 1000, session);
    assert_eq!(table.judge(Side::Node, &confirmation(3, 7)), Ok(Verdict::Forward));
    table
}

fn refusals(table: &mut Table) -> usize {
    let refused = |notice: &Notice| matches!(notice, Notice::Refused { .. } | Notice::ForwardRefused(_));
    table.take_notices().iter().filter(|notice| refused(notice)).count()
}

#[test]
fn hostile_036_a_channel_starts_once() {
    let mut table = with_session("");
    let started = table.judge(Side::Client, &request(7, "exec", &string("true")));
    let start = Start::Exec(b"true".to_vec());
    assert_eq!(started, Ok(Verdict::Hold(Hold::Start { channel: 3, start, want_reply: true })));
    assert_eq!(table.start_permitted(3, true, None), Ok(true));
    assert_eq!(table.judge(Side::Client, &request(7, "shell", b"")), Ok(Verdict::Drop));
    assert!(table.take_answers().is_empty(), "our failure waits for the node's reply to the first start");
    assert_eq!(table.judge(Side::Node, &bare(msg::CHANNEL_SUCCESS, 3)), Ok(Verdict::Forward));
    assert_eq!(table.take_answers(), [(Side::Client, bare(msg::CHANNEL_FAILURE, 3))]);
    assert_eq!(refusals(&mut table), 1);
}

#[test]
fn hostile_036_what_roles_withhold_is_refused_and_the_channel_goes_on() {
    let env = [string("LD_PRELOAD"), string("x")].concat();
    let pty = [string("xterm"), vec![0; 16], string("")].concat();
    for (options, kind, rest) in [
        ("permit_pty: false", "pty-req", pty),
        ("permit_exec: false", "exec", string("true")),
        ("permit_sftp: false", "subsystem", string("sftp")),
        ("permit_exec: false", "subsystem", string("netconf")),
        ("", "env", env),
        ("permit_env: ['*']", "env", [string("LD_PRELOAD\0"), string("x")].concat()),
        // sshd reads each of these without its NUL.
        ("", "exec\0", string("true")),
        ("", "shell\0", vec![]),
        ("", "subsystem", string("sftp\0")),
        ("", "", vec![]),
        ("", "x11-req", vec![0; 20]),
        ("", "auth-agent-req@openssh.com", vec![]),
    ] {
        let mut table = with_session(options);
        assert_eq!(table.judge(Side::Client, &request(7, kind, &rest)), Ok(Verdict::Drop), "{kind}");
        assert_eq!(table.take_answers(), [(Side::Client, bare(msg::CHANNEL_FAILURE, 3))], "{kind}");
        assert_eq!(refusals(&mut table), 1, "{kind}");
        assert_eq!(table.judge(Side::Client, &data(7, 1)), Ok(Verdict::Forward), "{kind}");
    }
    let mut table = with_session("");
    let lang = [string("LC_ALL"), string("C")].concat();
    assert_eq!(table.judge(Side::Client, &request(7, "env", &lang)), Ok(Verdict::Forward));
    assert_eq!(table.judge(Side::Client, &request(7, "future@openssh.com", b"x")), Ok(Verdict::Forward));
}

#[test]
fn hostile_016_data_over_the_window_is_a_violation() {
    let mut table = with_session("");
    assert_eq!(table.judge(Side::Client, &data(7, 1000)), Ok(Verdict::Forward));
    assert!(table.judge(Side::Client, &data(7, 1)).is_err(), "one byte over");
    let mut table = with_session("");
    assert!(table.judge(Side::Node, &data(3, 1001)).is_err());
    let mut adjust = bare(msg::CHANNEL_WINDOW_ADJUST, 7);
    adjust.u32(u32::MAX);
    assert!(table.judge(Side::Client, &adjust).is_err(), "past 2^32-1");
}

#[test]
fn each_side_closes_once_and_is_silent_then() {
    let mut table = with_session("");
    assert_eq!(table.judge(Side::Client, &bare(msg::CHANNEL_CLOSE, 7)), Ok(Verdict::Forward));
    assert_eq!(table.judge(Side::Client, &data(7, 1)), Ok(Verdict::Drop));
    assert_eq!(table.judge(Side::Client, &bare(msg::CHANNEL_CLOSE, 7)), Ok(Verdict::Drop));
    assert_eq!(table.judge(Side::Node, &data(3, 1)), Ok(Verdict::Forward), "the other side has not closed");
    assert_eq!(table.judge(Side::Node, &bare(msg::CHANNEL_CLOSE, 3)), Ok(Verdict::Forward));
    assert!(table.judge(Side::Node, &data(3, 1)).is_err(), "the number is free again");
    let held = table.judge(Side::Client, &open("session", 3, b"")).unwrap();
    assert!(matches!(held, Verdict::Hold(_)), "and may be used");
}

#[test]
fn messages_for_numbers_that_were_never_opened() {
    for message in
        [data(9, 1), bare(msg::CHANNEL_EOF, 9), request(9, "exit-status", &[0; 4]), confirmation(9, 9)]
    {
        for side in [Side::Client, Side::Node] {
            assert!(with_session("").judge(side, &message).is_err(), "{} from {side:?}", message[0]);
        }
    }
    let mut table = with_session("");
    assert!(table.judge(Side::Node, &confirmation(3, 8)).is_err(), "a second confirmation");
    assert!(table.judge(Side::Node, &bare(msg::CHANNEL_SUCCESS, 3)).is_err(), "nobody asked");
    assert!(table.judge(Side::Node, &[msg::REQUEST_SUCCESS]).is_err(), "nobody asked");
}

#[test]
fn channels_from_the_node_that_nobody_asked_for() {
    for kind in ["auth-agent@openssh.com", "x11", "forwarded-tcpip", "session", "direct-tcpip", "new@type"] {
        let mut table = with_session("");
        assert_eq!(table.judge(Side::Node, &open(kind, 5, &[0; 64])), Ok(Verdict::Drop), "{kind}");
        let answers = table.take_answers();
        assert_eq!(answers.len(), 1, "{kind}");
        assert!(answers.iter().all(|(side, m)| *side == Side::Node && m[0] == msg::CHANNEL_OPEN_FAILURE));
        assert_eq!(refusals(&mut table), 1, "{kind}");
    }
}

#[test]
fn destinations_of_forwarding() {
    let to = |host: &str, port: u32| {
        let mut rest = string(host);
        rest.u32(port).string("127.0.0.1").u32(40_000);
        open("direct-tcpip", 5, &rest)
    };
    let long = "x".repeat(65_000);
    for (options, host, port, allowed) in [
        ("", "10.0.0.9", 80, false),
        ("port_forwarding: {local: true}", "10.0.0.9", 80, true),
        ("port_forwarding: {local: true}", "10.0.0.7", 22, false),
        ("port_forwarding: {local: true}", "localhost", 22, false),
        ("port_forwarding: {local: ['*:22']}", "127.0.0.1", 22, false),
        ("port_forwarding: {local: ['127.0.0.1:22']}", "127.0.0.1", 22, true),
        ("port_forwarding: {local: true}", "10.0.0.9", 0, false),
        ("port_forwarding: {local: true}", "10.0.0.9", 65_536, false),
        ("port_forwarding: {local: true}", "", 80, false),
        ("port_forwarding: {local: true}", "a\0b", 80, false),
        ("port_forwarding: {local: true}", long.as_str(), 80, false),
    ] {
        let mut table = table(options);
        let verdict = table.judge(Side::Client, &to(host, port)).unwrap();
        let label = format!("{options} {}:{port}", host.get(..20).unwrap_or(host));
        assert_eq!(verdict == Verdict::Forward, allowed, "{label}");
        assert_eq!(refusals(&mut table), usize::from(!allowed), "{label}");
    }
}

#[test]
fn a_certificate_without_forwarding_withholds_it() {
    let own = OwnSshd { port: 22, names: vec![], addresses: vec![] };
    let mut table = Table::new(permits("port_forwarding: {local: true}"), own, false);
    let mut rest = string("10.0.0.9");
    rest.u32(80).string("").u32(0);
    assert_eq!(table.judge(Side::Client, &open("direct-tcpip", 5, &rest)), Ok(Verdict::Drop));
}

#[test]
fn global_requests_are_answered_in_order() {
    let global = |name: &str| {
        let mut message = vec![msg::GLOBAL_REQUEST];
        message.string(name).bool(true);
        message
    };
    let mut table = table("");
    assert_eq!(table.judge(Side::Client, &global("keepalive@openssh.com")), Ok(Verdict::Forward));
    assert_eq!(table.judge(Side::Client, &global("tcpip-forward")), Ok(Verdict::Drop));
    assert_eq!(table.judge(Side::Client, &global("unknown@example.com")), Ok(Verdict::Drop));
    assert!(table.take_answers().is_empty(), "the node's reply comes first");
    assert_eq!(table.judge(Side::Node, &[msg::REQUEST_FAILURE]), Ok(Verdict::Forward));
    let failure = (Side::Client, vec![msg::REQUEST_FAILURE]);
    assert_eq!(table.take_answers(), [failure.clone(), failure]);
    assert_eq!(table.judge(Side::Node, &global("hostkeys-00@openssh.com")), Ok(Verdict::Drop));
    assert_eq!(table.take_answers(), [(Side::Node, vec![msg::REQUEST_FAILURE])]);
    assert_eq!(table.judge(Side::Client, &global("no-more-sessions@openssh.com")), Ok(Verdict::Forward));
    assert_eq!(table.judge(Side::Client, &open("session", 1, b"")), Ok(Verdict::Drop));
    let refused = open_failure(1, 1, "mezite: no more sessions were asked for");
    assert_eq!(table.take_answers(), [(Side::Client, refused)]);
}

#[test]
fn opens_that_are_refused_leave_no_state() {
    let mut table = table("");
    for sender in 0..100_000 {
        assert_eq!(table.judge(Side::Client, &open("tun@openssh.com", sender, &[0; 8])), Ok(Verdict::Drop));
        assert_eq!(table.take_answers().len(), 1);
        assert_eq!(refusals(&mut table), 1);
    }
    assert!(table.channels.is_empty());
    let mut none = open("session", 1, b"");
    let at = none.len() - 4;
    none[at..].fill(0);
    assert_eq!(table.judge(Side::Client, &none), Ok(Verdict::Drop), "no room for packets");
}

#[test]
fn a_session_that_the_gateway_ends_is_closed_on_both_sides_once() {
    let mut table = with_session("");
    table.end_session(3, "why\r\n");
    let numbers: Vec<_> = table.take_answers().iter().map(|(side, m)| (*side, m[0])).collect();
    assert_eq!(
        numbers,
        [
            (Side::Client, msg::CHANNEL_EXTENDED_DATA),
            (Side::Client, msg::CHANNEL_REQUEST),
            (Side::Client, msg::CHANNEL_EOF),
            (Side::Client, msg::CHANNEL_CLOSE),
            (Side::Node, msg::CHANNEL_CLOSE),
        ]
    );
    table.end_session(3, "again");
    assert_eq!(table.judge(Side::Node, &data(3, 10)), Ok(Verdict::Drop));
    assert_eq!(table.judge(Side::Client, &request(7, "signal", &string("HUP"))), Ok(Verdict::Drop));
    assert!(table.take_answers().is_empty(), "nothing behind a CLOSE");
    assert_eq!(table.judge(Side::Client, &bare(msg::CHANNEL_CLOSE, 7)), Ok(Verdict::Drop));
    assert_eq!(table.judge(Side::Node, &bare(msg::CHANNEL_CLOSE, 3)), Ok(Verdict::Drop));
    assert!(matches!(table.take_notices()[..], [Notice::SessionEnded { .. }]));
}
