//! Nodes that mean ill: stock ssh wants to go there, through the gateway.

use mezite_fixtures::{Scene, eventually};
use mezite_integration::hostile::{
    Answer, Certificate, HostKey, HostileClient, HostileNode, KexInit, Key, StolenKeys, Transport, any_key,
    ecdsa_key, list, option, serve_command,
};
use mezite_integration::text;
use mezite_ssh::wire::{Writer as _, msg};
use serde_json::Value;
use ssh_key::{HashAlg, PrivateKey, PublicKey};

use crate::{only_line, ssh_to};

fn fingerprint(key: &PrivateKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// A node whose proof is wrong, and what must be said of it.
struct Impostor {
    label: &'static str,
    shows: HostKey,
    /// Its pinned key; none for a node that must show a certificate.
    pinned: Option<PrivateKey>,
    seen: String,
}

impl Impostor {
    /// What must be said about what is pinned.
    fn pin(&self) -> String {
        self.pinned.as_ref().map_or_else(|| "certificate of the cluster's Host CA".to_owned(), fingerprint)
    }
}

/// Stock ssh wants to go there: told why not in one line, before the node has heard a byte of authentication.
fn refuse(scene: &Scene, impostor: Impostor) {
    let (label, pin) = (impostor.label, impostor.pin());
    let node = HostileNode::secured(impostor.shows, |_| ());
    node.add_to(scene, "impostor", impostor.pinned.as_ref().map(PrivateKey::public_key));
    let before = scene.mezctl.json(&["nodes", "get", "impostor"]);
    let mismatches = scene.mezctl.audit("node.hostkey.mismatch").len();
    let line = only_line(label, &ssh_to(scene, "impostor"));
    assert!(line.starts_with("mezite: refused to connect to impostor: "), "{label}: {line}");
    assert!(line.contains(&pin) && line.contains(&impostor.seen), "{label}: {line}");
    assert_eq!((node.heard(msg::USERAUTH_REQUEST), node.heard(msg::SERVICE_REQUEST)), (0, 0), "{label}");
    assert_eq!(node.connections(), 1, "{label}");
    let events = scene.mezctl.audit("node.hostkey.mismatch");
    assert_eq!(events.len(), mismatches + 1, "{label}: one event");
    assert_mismatch(label, events.last().unwrap(), &pin, &impostor.seen);
    assert_eq!(scene.mezctl.json(&["nodes", "get", "impostor"]), before, "{label}: the pin is unchanged");
    scene.mezctl.ok(&["nodes", "rm", "impostor"]);
}

/// A node that proves itself lets alice in.
fn accept(scene: &Scene, keys: &StolenKeys, shows: HostKey, pinned: Option<&PublicKey>) {
    let node = HostileNode::lenient(shows, |_| true);
    node.add_to(scene, "impostor", pinned);
    let subject = any_key();
    let blob = Certificate::of("alice", &subject, &keys.user).signed(&keys.user);
    let mut client = HostileClient::connect(scene.gateway.ssh());
    let answer = client.authenticate(format!("{}@impostor", scene.login), &blob, &subject);
    assert_eq!(answer, Answer::Success);
    scene.mezctl.ok(&["nodes", "rm", "impostor"]);
}

#[test]
fn hostile_007_host_keys_that_are_not_pinned() {
    let mut scene = Scene::start();
    let keys = StolenKeys::take(&mut scene);
    let (pinned, other, ecdsa) = (any_key(), any_key(), ecdsa_key());
    accept(&scene, &keys, HostKey::honest(&pinned), Some(pinned.public_key()));
    let impostor = |label, shows, seen: &str| Impostor {
        label,
        shows,
        pinned: Some(pinned.clone()),
        seen: seen.to_owned(),
    };
    let certificate = Certificate::of_host("impostor", &other, &keys.host).signed(&keys.host);
    for impostor in [
        impostor("another key of the pinned type", HostKey::honest(&other), &fingerprint(&other)),
        impostor("another type", HostKey::honest(&ecdsa), "(of another type: ecdsa-sha2-nistp256)"),
        impostor(
            "another type under the name of the pinned one",
            HostKey { algorithms: "ssh-ed25519".to_owned(), ..HostKey::honest(&ecdsa) },
            &fingerprint(&ecdsa),
        ),
        impostor("the pinned key with a wrong signature", HostKey::unproven(&pinned), &fingerprint(&pinned)),
        impostor(
            "the pinned key, signed for by another",
            HostKey::showing(pinned.blob(), &other),
            &fingerprint(&pinned),
        ),
        impostor(
            "a good certificate where a key is pinned",
            HostKey { algorithms: "ssh-ed25519".to_owned(), ..HostKey::showing(certificate, &other) },
            &fingerprint(&other),
        ),
    ] {
        refuse(&scene, impostor);
    }
    scene.assert_alive();
}

#[test]
fn hostile_007_host_certificates_that_prove_nothing() {
    let mut scene = Scene::start();
    let keys = StolenKeys::take(&mut scene);
    let (other, stranger) = (any_key(), any_key());
    let certified = |change: fn(&mut Certificate), ca: &PrivateKey| {
        let certificate = Certificate::of_host("impostor", &other, ca).with(change);
        HostKey::showing(certificate.signed(ca), &other)
    };
    accept(&scene, &keys, certified(|_| (), &keys.host), None);
    let nested = Certificate::of_host("impostor", &stranger, &keys.host).signed(&keys.host);
    let nested = Certificate::of_host("impostor", &other, &stranger).with(|c| c.signature_key = nested);
    let impostor = |label, shows| Impostor { label, shows, pinned: None, seen: fingerprint(&other) };
    for impostor in [
        impostor(
            "a plain key",
            HostKey { algorithms: "ssh-ed25519-cert-v01@openssh.com".to_owned(), ..HostKey::honest(&other) },
        ),
        impostor(
            "a certificate for another name",
            certified(|c| c.principals = list(["elsewhere"]), &keys.host),
        ),
        impostor(
            "a certificate for a longer name",
            certified(|c| c.principals = list(["impostor.example"]), &keys.host),
        ),
        impostor("a certificate for every name", certified(|c| c.principals = list(["*"]), &keys.host)),
        impostor("a certificate without names", certified(|c| c.principals.clear(), &keys.host)),
        impostor(
            "an expired certificate",
            certified(|c| c.valid_before = Certificate::now() - 1, &keys.host),
        ),
        impostor(
            "a certificate of the future",
            certified(|c| c.valid_after = Certificate::now() + 300, &keys.host),
        ),
        impostor("a user certificate of the Host CA", certified(|c| c.kind = 1, &keys.host)),
        impostor("a user certificate of the User CA", certified(|c| c.kind = 1, &keys.user)),
        impostor("a host certificate of the User CA", certified(|_| (), &keys.user)),
        impostor("a host certificate of a stranger", certified(|_| (), &stranger)),
        impostor("a certificate signed by a certificate", HostKey::showing(nested.signed(&stranger), &other)),
        impostor("a critical option", certified(|c| c.critical = option("x", ""), &keys.host)),
        impostor(
            "a certificate and a wrong signature",
            HostKey::showing(
                Certificate::of_host("impostor", &other, &keys.host).signed(&keys.host),
                &stranger,
            ),
        ),
    ] {
        refuse(&scene, impostor);
    }
    scene.assert_alive();
}

#[track_caller]
fn assert_mismatch(label: &str, event: &Value, pinned: &str, seen: &str) {
    assert_eq!((text(event, "pinned"), text(event, "seen")), (pinned, seen), "{label}");
    assert_eq!((text(event, "actor"), text(event, "outcome")), ("alice", "refused"), "{label}");
}

#[test]
fn hostile_007_host_key_that_changes_at_a_rekey() {
    let mut scene = Scene::start();
    let (pinned, second, other) = (any_key(), any_key(), any_key());
    let pin = fingerprint(&pinned);
    let mut mismatches = 0;
    // In each case the node proves the pinned key first, and another thing when it replaces the keys.
    for (label, also_pinned, then, seen) in [
        ("the same key", None, HostKey::honest(&pinned), None),
        ("another key", None, HostKey::honest(&other), Some(fingerprint(&other))),
        ("a wrong signature", None, HostKey::unproven(&pinned), Some(pin.clone())),
        ("another pinned key", Some(&second), HostKey::honest(&second), Some(fingerprint(&second))),
    ] {
        let first = HostKey::honest(&pinned);
        let node = HostileNode::lenient_then(first, move |transport| {
            serve_command(transport, |transport, channel| {
                say(transport, channel, "before\n");
                transport.propose(&KexInit::new("ssh-ed25519"));
                if transport.hear_proposal() && transport.answer(&then) {
                    say(transport, channel, "after\n");
                }
            });
        });
        node.add_to(&scene, "turncoat", Some(pinned.public_key()));
        if let Some(key) = also_pinned {
            let line = |key: &PublicKey| format!("--host-key={}", key.to_openssh().unwrap());
            let (one, two) = (line(pinned.public_key()), line(key.public_key()));
            scene.mezctl.ok(&["nodes", "rotate-host-key", "turncoat", &one, &two]);
        }
        let said = ssh_to(&scene, "turncoat");
        // What comes before the cut is shown unless ssh hears of both at once; what comes behind it never is.
        let shown: &[&str] = if seen.is_some() { &["before\n", ""] } else { &["before\nafter\n"] };
        let out = said.out();
        assert!(shown.contains(&out.as_str()), "{label}: {out}");
        if let Some(seen) = seen {
            let line = only_line(label, &said);
            assert!(line.contains("turncoat") && line.contains(&seen), "{label}: {line}");
            mismatches += 1;
            let what = format!("the event of {label}");
            let events = eventually(&what, || {
                Some(scene.mezctl.audit("node.hostkey.mismatch")).filter(|events| events.len() >= mismatches)
            });
            let pins =
                also_pinned.map_or_else(|| pin.clone(), |key| format!("{pin} or {}", fingerprint(key)));
            assert_mismatch(label, events.last().unwrap(), &pins, &seen);
        } else {
            assert_eq!(said.code, Some(0), "{label}: {said:?}");
        }
        scene.mezctl.ok(&["nodes", "rm", "turncoat"]);
    }
    scene.assert_alive();
    assert_eq!(scene.mezctl.audit("node.hostkey.mismatch").len(), mismatches);
}

/// Data for the client.
fn say(transport: &mut Transport, channel: u32, text: &str) {
    let mut data = vec![msg::CHANNEL_DATA];
    data.u32(channel).string(text);
    transport.send(&data);
}
