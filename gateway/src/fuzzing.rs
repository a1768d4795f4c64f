//! Doors for the fuzz targets in `fuzz/`, to code that nobody else reaches from outside. Compiled for them alone.

use std::sync::Arc;

use mezite_access::{CompiledRole, Decision, OwnSshd, Permits, Role, UserFacts, decide};
use mezite_api::{Labels, Login, UserName};
use mezite_recording::SessionId;

use crate::front;
use crate::http::read_head;
use crate::relay::{Hold, Session, Side, Table, Verdict};

/// What comes before SSH: a `CONNECT` head and a PROXY header, as much of them as is there.
pub fn first_bytes(bytes: &[u8]) {
    if let Some(head) = front::connect_head_len(bytes) {
        assert!(head <= bytes.len(), "a head that is longer than what came");
    }
    if let Some(length) = front::proxy_header_len(bytes) {
        assert!(length <= bytes.len(), "a header that is longer than what came");
    }
}

/// A head of an HTTP request.
pub fn http_head(bytes: &[u8]) {
    read_head(bytes);
}

/// Everything is permitted that a role can permit.
fn permits() -> Arc<Permits> {
    let yaml = "kind: role\nmetadata: {name: dev}\nspec:\n  allow: {logins: [root], node_labels: {'*': '*'}}\n  \
                options: {port_forwarding: {local: true}}\n";
    let role = Arc::new(CompiledRole::from(Role::parse_yaml(yaml).expect("a role")));
    let user = UserName::parse("alice").expect("a name");
    let (traits, logins) = (std::collections::BTreeMap::new(), Vec::new());
    let facts = UserFacts { name: &user, roles: &[role], traits: &traits, logins: &logins };
    match decide(&facts, &Login::parse("root").expect("a login"), &Labels::new()) {
        Decision::Allow(permits) => Arc::new(permits),
        Decision::Refuse(refusal) => panic!("{refusal}"),
    }
}

/// Messages of both sides to the permit table, each with a byte that says whose it is and how a decision falls, and its
/// length in two bytes. What both sides say is bounded by what they were given: the table must stay as small.
pub fn permit_table(mut bytes: &[u8]) {
    let own = OwnSshd { port: 22, names: vec!["db".into()], addresses: Vec::new() };
    let permits = permits();
    let mut table = Table::new(permits.clone(), own, true);
    while let Some((&[how, high, low], rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let (payload, rest) = rest.split_at(length);
        bytes = rest;
        let side = if how & 1 == 0 { Side::Client } else { Side::Node };
        let verdict = match table.judge(side, payload) {
            Ok(verdict) => verdict,
            Err(_) => break,
        };
        if let Verdict::Hold(hold) = verdict {
            decide_on(&mut table, hold, how, &permits);
        }
        if how & 8 != 0 {
            table.end_session(u32::from(how >> 4), "over");
        }
        for (_, answer) in table.take_answers() {
            assert!(answer.len() < 1024, "an answer of {} bytes", answer.len());
        }
        table.take_notices();
    }
    table.remove_all();
    assert_eq!(table.sessions(), 0);
}

fn decide_on(table: &mut Table, hold: Hold, how: u8, permits: &Arc<Permits>) {
    let yes = how & 2 != 0;
    match hold {
        Hold::Open { channel, window } if yes => {
            let session = Session::new(SessionId::from_bytes([how; 16]), permits.clone());
            table.session_permitted(channel, window, session);
        }
        Hold::Open { channel, .. } => table.session_refused(channel, "no"),
        Hold::Start { channel, want_reply, .. } if yes => {
            let _ = table.start_permitted(channel, want_reply, None);
        }
        Hold::Start { channel, want_reply, .. } => {
            let _ = table.start_refused(channel, want_reply, "no");
        }
    }
}
