//! What is to be done after a step, for people.

use mezite_api::rotation::{CertificatesBy, RotationPhase};
use mezite_ca::CaKind;

use super::Done;
use crate::authority::CaState;

/// What is to be done now, one line each. `lost`: what the keys that were given up had signed.
pub fn to_do(done: Done, now: &CaState, lost: Option<&CertificatesBy>) -> Vec<String> {
    let mut lines = match done {
        Done::Compromised => compromised(now.ca),
        Done::Step(_) => match now.phase {
            RotationPhase::Standby => Vec::new(),
            RotationPhase::Prepare => spread(now.ca),
            RotationPhase::Activate => renewed(now.ca),
        },
    };
    if let Some(lost) = lost.filter(|lost| lost.users + lost.bots + lost.hosts > 0) {
        lines.extend(again(lost));
    }
    if now.phase != RotationPhase::Standby {
        let next = super::phases::next(now.phase);
        lines.push(format!("then: mezctl ca rotate --type={} --phase {next}", now.ca));
    }
    lines
}

/// After `prepare`: whoever believes the CA needs the new key too.
fn spread(ca: CaKind) -> Vec<String> {
    let lines: &[&str] = match ca {
        CaKind::Host => &["clients: fetch /v1/ca/known_hosts again; 'msh login' and renewals of bots do it"],
        CaKind::User => &[
            "nodes that trust the User CA: fetch /v1/ca/user.pub again into TrustedUserCAKeys",
            "look whether they have: mezctl nodes check --all",
        ],
        CaKind::OpenSsh | CaKind::Tls => &[
            "nodes: fetch /v1/ca/openssh.pub again into TrustedUserCAKeys",
            "look whether they have: mezctl nodes check --all",
        ],
    };
    lines.iter().map(ToString::to_string).collect()
}

/// After `activate`: what the old key has signed is to be replaced.
fn renewed(ca: CaKind) -> Vec<String> {
    let lines: &[&str] = match ca {
        CaKind::Host => {
            &["nodes with host certificates: get new ones; 'mezctl ca status' counts the old ones"]
        }
        CaKind::User => {
            &["people and bots: log in again or renew; 'mezctl ca status' counts the old certificates"]
        }
        CaKind::OpenSsh | CaKind::Tls => &["new connections to nodes are made with the new key"],
    };
    lines.iter().map(ToString::to_string).collect()
}

/// The old key is in wrong hands: until this is done it opens what still believes it.
fn compromised(ca: CaKind) -> Vec<String> {
    let lines: &[&str] = match ca {
        CaKind::Host => &[
            "every client: take the old @cert-authority line out of known_hosts, fetch /v1/ca/known_hosts; until then whoever has the old key can pass for this gateway",
            "nodes that are not pinned by keys: get new host certificates; until then they are not connected to",
            "bots and people: known_hosts comes with the next renewal or 'msh login', over TLS",
        ],
        CaKind::User => &[
            "everybody: 'msh login' again, or a new 'mezctl auth sign'; every old certificate is refused",
            "bots: renew by themselves, at once with SIGHUP to 'mezd identity'; one whose TLS certificate has ended needs a new token ('mezctl bots rotate-token NAME')",
            "nodes that trust the User CA: replace the keys in TrustedUserCAKeys by /v1/ca/user.pub, or better by /v1/ca/openssh.pub; until then whoever has the old key can log in there",
            "then: mezctl nodes check --all",
        ],
        CaKind::OpenSsh | CaKind::Tls => &[
            "every node, now: replace the keys in TrustedUserCAKeys by /v1/ca/openssh.pub; until then whoever has the old key can log in there, and this gateway cannot",
            "then: mezctl nodes check --all",
        ],
    };
    lines.iter().map(ToString::to_string).collect()
}

/// Those whose certificates are worth nothing any more.
fn again(lost: &CertificatesBy) -> Vec<String> {
    let mut lines = Vec::new();
    let CertificatesBy { users, bots, hosts, more, .. } = lost;
    let at_least = if *more { "at least " } else { "" };
    let mut line = |count: u64, what: &str| {
        if count > 0 {
            lines.push(format!("{at_least}{count} {what}"));
        }
    };
    line(
        *users,
        "certificates of people are refused now: they log in again, or get a new 'mezctl auth sign'",
    );
    line(*bots, "instances of bots have to renew: SIGHUP to 'mezd identity', or wait for the next renewal");
    line(*hosts, "host certificates are not believed any more: these hosts need new ones");
    lines
}
