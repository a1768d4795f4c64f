//! Hand-made certificates at the verifier.

use std::net::IpAddr;

use mezite_ca::{
    CaKind, CertificateRefusal, Permits, PrincipalError, PublicKey, TrustedSet, verify_host_certificate,
    verify_user_certificate,
};

use crate::support::*;

/// A change to the good certificate, with a label.
type Case = (&'static str, Box<dyn FnOnce(&mut Raw)>);

fn case(label: &'static str, change: impl FnOnce(&mut Raw) + 'static) -> Case {
    (label, Box::new(change))
}

/// Every case must be refused for this reason, and the certificate without the change accepted.
fn all_refused(reason: &str, cases: Vec<Case>) {
    assert_eq!(verdict(&Raw::good().signed()), "accepted");
    for (label, change) in cases {
        assert_eq!(verdict(&Raw::good().with(change).signed()), reason, "{label}");
    }
}

#[test]
fn what_a_good_certificate_says() {
    let raw = Raw::good().with(|raw| {
        raw.extensions = options([
            ("bot@mezite", string("instance-1")),
            ("generation@mezite", string("17")),
            ("permit-X11-forwarding", vec![]),
            ("permit-port-forwarding@mezite", vec![]),
            ("permit-pty", vec![]),
            ("user@mezite", string("alice")),
        ]);
    });
    let certificate = verify(&raw.signed()).unwrap();
    assert_eq!(certificate.user, "alice");
    assert_eq!(certificate.key, public(&subject()));
    assert_eq!(certificate.signed_by, public(&ca()));
    assert_eq!(certificate.serial, 42);
    assert_eq!(certificate.principals, ["alice", "root"]);
    assert_eq!(certificate.valid_before, now() + std::time::Duration::from_hours(1));
    assert_eq!(certificate.source_addresses, None);
    let permits = Permits { pty: true, x11_forwarding: true, listed_forwarding: true, ..Permits::default() };
    assert_eq!(certificate.permits, permits);
    let bot = certificate.bot.clone().unwrap();
    assert_eq!((bot.instance.as_str(), bot.generation), ("instance-1", 17));
}

#[test]
fn hostile_001_a_certificate_is_no_signing_key() {
    let keygen = Keygen::new();
    let rsa = keygen.rsa("rsa");
    let (ed, p256) = (ed25519(5), p256_key(6));
    let keys: [(&str, &dyn TestKey); 3] = [("ed25519", &ed), ("ecdsa", &p256), ("rsa", &rsa)];
    for (outer_name, outer) in keys {
        for (inner_name, inner) in keys {
            // The trusted CA certifies `inner`; `inner` then signs as if it were the CA.
            let certified = Raw::of(&public(inner), &public(&ca())).signed();
            let forged = Raw::of(&public(outer), &public(inner))
                .with(|raw| raw.signature_key = certified)
                .signed_by(inner);
            assert_eq!(verdict(&forged), "ca_is_certificate", "{outer_name} signed by {inner_name}");
            // Refused while it is read: also when there is nobody to be trusted at all.
            let nobody = TrustedSet::new(CaKind::User, []);
            let refusal = verify_user_certificate(&forged, &nobody, now(), source()).unwrap_err();
            assert_eq!(refusal, CertificateRefusal::CaIsCertificate);
            // Depth three.
            let deeper = Raw::of(&public(outer), &public(inner))
                .with(|raw| raw.signature_key = forged)
                .signed_by(inner);
            assert_eq!(verdict(&deeper), "ca_is_certificate", "depth three");
        }
    }
}

#[test]
fn hostile_001_even_a_trusted_certificate_blob_is_no_signing_key() {
    // The certificate blob itself cannot get into a trusted set.
    let inner = ed25519(5);
    let certified = Raw::of(&public(&inner), &public(&ca())).signed();
    assert!(PublicKey::from_blob(&certified).is_err());
}

#[test]
fn hostile_001_a_certificate_is_no_subject_key_and_hosts_are_treated_alike() {
    for name in [
        "ssh-ed25519-cert-v01-cert-v01@openssh.com",
        "ssh-ed25519-cert-v01@openssh.com-cert-v01@openssh.com",
        "ssh-ed25519-cert-v00-cert-v01@openssh.com",
    ] {
        let blob = Raw::good().with(|raw| raw.type_name = name.to_owned()).signed();
        assert_eq!(verdict(&blob), "ca_is_certificate", "{name}");
    }
    let inner = ed25519(5);
    let certified = Raw::of(&public(&inner), &public(&ca())).with(|raw| raw.certificate_type = 2).signed();
    let forged = Raw::of(&public(&subject()), &public(&inner)).with(|raw| {
        raw.certificate_type = 2;
        raw.signature_key = certified;
    });
    let trusted = TrustedSet::new(CaKind::Host, [public(&ca())]);
    let refusal = verify_host_certificate(&forged.signed_by(&inner), &trusted, now(), "alice").unwrap_err();
    assert_eq!(refusal.reason(), "ca_is_certificate");
}

#[test]
fn hostile_002_only_user_certificates_are_user_certificates() {
    for kind in [0, 2, 3, u32::MAX] {
        let refusal = verify(&Raw::good().with(|raw| raw.certificate_type = kind).signed()).unwrap_err();
        assert_eq!(refusal, CertificateRefusal::CertificateType { expected: 1, found: kind });
        assert_eq!(refusal.reason(), "cert_type");
    }
}

#[test]
fn hostile_002_only_host_certificates_are_host_certificates() {
    let trusted = TrustedSet::new(CaKind::Host, [public(&ca())]);
    let host = |kind| Raw::good().with(|raw| raw.certificate_type = kind).signed();
    assert!(verify_host_certificate(&host(2), &trusted, now(), "alice").is_ok());
    for kind in [0, 1, 3, u32::MAX] {
        let refusal = verify_host_certificate(&host(kind), &trusted, now(), "alice").unwrap_err();
        assert_eq!(refusal.reason(), "cert_type", "{kind}");
    }
}

#[test]
fn hostile_002_one_ca_is_not_believed_in_the_place_of_another() {
    let key = [public(&ca())];
    for kind in CaKind::ALL {
        let trusted = TrustedSet::new(kind, key.clone());
        let user = verify_user_certificate(&Raw::good().signed(), &trusted, now(), source());
        assert_eq!(user.is_ok(), kind == CaKind::User, "user certificate, {kind} CA");
        let host = Raw::good().with(|raw| raw.certificate_type = 2).signed();
        let host = verify_host_certificate(&host, &trusted, now(), "alice");
        assert_eq!(host.is_ok(), kind == CaKind::Host, "host certificate, {kind} CA");
    }
}

fn principals(list: impl IntoIterator<Item = impl AsRef<[u8]>>) -> impl FnOnce(&mut Raw) {
    let list = packed(list);
    move |raw| raw.principals = list
}

#[test]
fn hostile_003_principals() {
    all_refused(
        "principals",
        vec![
            case("none", principals([""; 0])),
            case("an empty one", principals([""])),
            case("an empty one beside the name", principals(["alice", ""])),
            case("star", principals(["*"])),
            case("star beside the name", principals(["alice", "*"])),
            case("pattern", principals(["alice", "roo?"])),
            case("negation", principals(["alice", "!root"])),
            case("comma", principals(["alice,root"])),
            case("NUL", principals(["alice", "root\0"])),
            case("newline", principals(["alice", "root\n"])),
            case("blank", principals(["alice", "ro ot"])),
            case("tab", principals(["alice", "\troot"])),
            case("not ASCII", principals(["alice", "rööt"])),
            case("not UTF-8", principals([&b"alice"[..], &b"\xff"[..]])),
            case("another's name", principals(["bob"])),
            case("a prefix of the name", principals(["alic"])),
            case("the name in other case", principals(["Alice"])),
            case("257", principals((0..257).map(|n| if n == 0 { "alice".into() } else { format!("p{n}") }))),
            case("one of 256 bytes", principals(["alice".to_owned(), "x".repeat(256)])),
            case("a list cut short", |raw| {
                raw.principals.pop();
            }),
        ],
    );
    let most = principals((0..256).map(|n| if n == 0 { "alice".into() } else { format!("p{n}") }));
    assert_eq!(verdict(&Raw::good().with(most).signed()), "accepted", "256 principals");
}

#[test]
fn hostile_003_bob_is_not_bobby() {
    let bobby = Raw::good().with(|raw| {
        raw.key_id = b"bobby".to_vec();
        raw.extensions = options([("user@mezite", string("bobby"))]);
        raw.principals = packed(["bob"]);
    });
    let refusal = verify(&bobby.signed()).unwrap_err();
    assert_eq!(refusal, CertificateRefusal::Principals(PrincipalError::NotNamed));
}

fn critical(list: Vec<(&'static str, Vec<u8>)>) -> impl FnOnce(&mut Raw) {
    move |raw| raw.critical = options(list)
}

#[test]
fn hostile_004_critical_options() {
    let here = || string("192.0.2.0/24");
    all_refused(
        "critical_option",
        vec![
            case("unknown", critical(vec![("verify-required", vec![])])),
            case("unknown beside a known one", critical(vec![("source-address", here()), ("x@y", vec![])])),
            case("known in other case", critical(vec![("Source-Address", here())])),
            case("empty name", critical(vec![("", vec![])])),
            case(
                "value without its inner string",
                critical(vec![("source-address", b"192.0.2.0/24".to_vec())]),
            ),
            case(
                "bytes after the inner string",
                critical(vec![("source-address", [here(), vec![0]].concat())]),
            ),
            case("no value", critical(vec![("source-address", vec![])])),
            case("empty value", critical(vec![("source-address", string(""))])),
            case("twice", critical(vec![("source-address", here()), ("source-address", here())])),
            case("out of order", critical(vec![("source-address", here()), ("a", vec![])])),
            case("a list cut short", |raw| {
                raw.critical = options([("source-address", string("192.0.2.0/24"))]);
                raw.critical.pop();
            }),
        ],
    );
}

#[test]
fn hostile_004_the_name_of_an_unknown_option_is_escaped_and_cut() {
    let name: &'static str = "\x1b]0;owned\x07".repeat(500).leak();
    let refusal = verify(&Raw::good().with(critical(vec![(name, vec![])])).signed()).unwrap_err();
    assert_eq!(refusal.reason(), "critical_option");
    let text = refusal.to_string();
    assert!(text.chars().all(|c| !c.is_control()), "{text:?}");
    assert!(text.contains(r"\x1b]0;owned\x07"), "{text}");
    assert!(text.chars().count() < 300, "{}", text.len());
}

#[test]
fn hostile_004_unknown_extensions_are_passed_over() {
    let extensions =
        |list: Vec<(&'static str, Vec<u8>)>| Raw::good().with(|raw| raw.extensions = options(list));
    let user = || ("user@mezite", string("alice"));
    let unknown =
        extensions(vec![("a@b", b"\0\xff".to_vec()), ("permit-user-rc", vec![]), user(), ("z", vec![])]);
    assert_eq!(verdict(&unknown.signed()), "accepted");
    for (label, list) in [
        ("twice", vec![user(), user()]),
        ("out of order", vec![user(), ("a@b", vec![])]),
        ("a flag with data", vec![("permit-pty", string("yes")), user()]),
    ] {
        assert_eq!(verdict(&extensions(list).signed()), "malformed", "{label}");
    }
}

#[test]
fn hostile_024_force_command_is_refused() {
    let forced = Raw::good().with(critical(vec![("force-command", string("true"))]));
    assert_eq!(verify(&forced.signed()).unwrap_err(), CertificateRefusal::ForceCommand);
}

#[test]
fn hostile_023_source_address() {
    let verdict_from = |list: &str, source: &str| {
        let list = string(list);
        let raw = Raw::good().with(|raw| raw.critical = options([("source-address", list)]));
        let source: IpAddr = source.parse().unwrap();
        verify_user_certificate(&raw.signed(), &trust(&public(&ca())), now(), source)
            .map_or_else(|refusal| refusal.reason(), |_| "accepted")
    };
    for (list, source) in [
        ("192.0.2.7", "192.0.2.7"),
        ("10.0.0.0/8,192.0.2.0/24", "192.0.2.7"),
        ("192.0.2.0/24", "::ffff:192.0.2.7"),
        ("::ffff:192.0.2.0/120", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("0.0.0.0/0", "192.0.2.7"),
        ("2001:db8::/32", "2001:db8::1"),
    ] {
        assert_eq!(verdict_from(list, source), "accepted", "{source} in {list}");
    }
    for (list, source) in [
        ("192.0.2.0/24", "192.0.3.7"),
        ("192.0.2.0/24", "2001:db8::1"),
        ("::/0", "192.0.2.7"),
        ("0.0.0.0/0", "2001:db8::1"),
        ("::ffff:192.0.2.0/120", "192.0.3.7"),
        // One entry that is wrong spoils the list, whatever the others say.
        ("192.0.2.7,", "192.0.2.7"),
        ("192.0.2.7, 10.0.0.1", "192.0.2.7"),
        ("192.0.2.7,example.org", "192.0.2.7"),
        ("192.0.2.7/33", "192.0.2.7"),
        ("192.0.2.7/24", "192.0.2.7"),
        ("192.0.2/24", "192.0.2.7"),
        ("!10.0.0.1,192.0.2.7", "192.0.2.7"),
        ("192.0.2.7\0", "192.0.2.7"),
        ("*", "192.0.2.7"),
    ] {
        assert_eq!(verdict_from(list, source), "source_address", "{source} in {list:?}");
    }
}

#[test]
fn hostile_005_validity() {
    let valid = |after: u64, before: u64| {
        verdict(
            &Raw::good()
                .with(|raw| {
                    raw.valid_after = after;
                    raw.valid_before = before;
                })
                .signed(),
        )
    };
    for (label, after, before) in [
        ("ended a second ago", NOW - 60, NOW - 1),
        ("ends now", NOW - 60, NOW),
        ("ends in 1970", 0, 0),
        ("starts beyond the skew", NOW + 61, NOW + 3600),
        ("starts after it ends", NOW + 10, NOW + 5),
        ("is empty", NOW, NOW),
        ("is empty within the skew", NOW + 10, NOW + 10),
        ("never ends", 0, u64::MAX),
        ("never starts", u64::MAX, u64::MAX),
        ("starts at the end of time", u64::MAX - 1, u64::MAX),
        ("ends beyond i64", NOW - 60, u64::try_from(i64::MAX).unwrap() + 1),
        ("lives 30 days and two minutes", NOW - 60, NOW + 30 * 86_400 + 60),
    ] {
        assert_eq!(valid(after, before), "validity", "{label}");
    }
    for (label, after, before) in [
        ("starts within the skew", NOW + 60, NOW + 3600),
        ("ends in a second", NOW - 60, NOW + 1),
        ("lives 30 days", NOW - 60, NOW + 30 * 86_400),
    ] {
        assert_eq!(valid(after, before), "accepted", "{label}");
    }
}

#[test]
fn hostile_005_a_clock_before_1970_believes_nothing() {
    let early = std::time::UNIX_EPOCH - std::time::Duration::from_secs(5);
    let refusal =
        verify_user_certificate(&Raw::good().signed(), &trust(&public(&ca())), early, source()).unwrap_err();
    assert_eq!(refusal, CertificateRefusal::NotYetValid { valid_after: NOW - 60, now: 0 });
}

#[test]
fn hostile_006_only_a_true_signature_of_a_trusted_key_is_believed() {
    let other = ed25519(9);
    let good = Raw::good();
    let unknown_ca = Raw::of(&public(&subject()), &public(&other)).signed_by(&other);
    let stolen_name = good.signed_by(&other);
    let mut flipped = good.signed();
    *flipped.last_mut().unwrap() ^= 1;
    let another = good.clone().with(|raw| raw.serial = 43).signed();
    let borrowed = good.with_signature(another.get(another.len() - 83..).unwrap());
    for (label, blob) in [
        ("unknown CA", unknown_ca),
        ("the CA's name, another's signature", stolen_name),
        ("one bit of the signature", flipped),
        ("signature of another certificate", borrowed),
        ("no signature", good.with_signature(&[])),
        ("empty signature", good.with_signature(&packed(["ssh-ed25519", ""]))),
        ("bytes after the signature", good.with_signature(&[&signature(&good)[..], &[0]].concat())),
    ] {
        assert_eq!(verdict(&blob), "ca", "{label}");
    }
    // A retired key, and an empty set.
    for trusted in [TrustedSet::new(CaKind::User, [public(&other)]), TrustedSet::new(CaKind::User, [])] {
        let refusal = verify_user_certificate(&good.signed(), &trusted, now(), source()).unwrap_err();
        assert_eq!(refusal.reason(), "ca");
    }
    // While a CA is rotated, both keys are believed.
    let both = TrustedSet::new(CaKind::User, [public(&other), public(&ca())]);
    assert!(verify_user_certificate(&good.signed(), &both, now(), source()).is_ok());
}

/// The good signature's blob.
fn signature(raw: &Raw) -> Vec<u8> {
    let blob = raw.signed();
    blob.get(raw.body().len() + 4..).unwrap().to_vec()
}

#[test]
fn hostile_006_signature_algorithms() {
    let keygen = Keygen::new();
    let rsa = keygen.rsa("rsa");
    let trusted = trust(&public(&rsa));
    let verdict = |blob: &[u8]| {
        verify_user_certificate(blob, &trusted, now(), source())
            .map_or_else(|refusal| refusal.to_string(), |_| "accepted".to_owned())
    };
    let raw = Raw::of(&public(&subject()), &public(&rsa));
    assert_eq!(verdict(&raw.signed_by(&rsa)), "accepted");
    // The name says SHA-1, or another type than the CA key has: refused by name, whatever the bytes are.
    for name in
        ["ssh-rsa", "ssh-dss", "ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-256-cert-v01@openssh.com", ""]
    {
        let blob = raw.with_signature(&packed([name.as_bytes(), &[1; 256]]));
        let refusal = verdict(&blob);
        assert!(refusal.contains("is not allowed for its CA key"), "{name}: {refusal}");
    }
    // The name of one hash over a signature made with the other.
    let mut renamed = raw.signed_by(&rsa);
    let position = renamed.windows(12).rposition(|window| window == b"rsa-sha2-512").unwrap();
    renamed.splice(position..position + 12, *b"rsa-sha2-256");
    assert_eq!(verdict(&renamed), CertificateRefusal::Signature.to_string());
}

#[test]
fn hostile_025_weak_and_unknown_subject_keys() {
    let keygen = Keygen::new();
    keygen.make("weak", &["-t", "rsa", "-b", "1024"]);
    keygen.make("dsa", &["-t", "dsa"]);
    let weak = blob_of(&keygen.path("weak.pub"));
    let dsa = blob_of(&keygen.path("dsa.pub"));
    let with_key = |name: &str, blob: &[u8], skip: usize| {
        let subject = blob.get(4 + skip..).unwrap().to_vec();
        let name = certificate_name(name);
        verdict(
            &Raw::good()
                .with(|raw| {
                    raw.type_name = name;
                    raw.subject = subject;
                })
                .signed(),
        )
    };
    assert_eq!(with_key("ssh-rsa", &weak, 7), "key", "RSA of 1024 bits");
    assert_eq!(with_key("ssh-dss", &dsa, 7), "key", "DSA");
    let ed = subject().public_key().to_bytes().unwrap();
    assert_eq!(with_key("ssh-xmss@openssh.com", &ed, 11), "key", "unknown type");
    // A compressed point is a form that SSH does not have.
    let mut point = vec![2];
    point.extend_from_slice(&[0x6b; 32]);
    let compressed = [vec![0; 4], packed([&b"nistp256"[..], &point])].concat();
    assert_eq!(with_key("ecdsa-sha2-nistp256", &compressed, 0), "malformed");
}

#[test]
fn hostile_025_strong_subject_keys_of_every_type_are_accepted() {
    let keygen = Keygen::new();
    let keys: [(&str, PublicKey); 5] = [
        ("ed25519", public(&subject())),
        ("p256", public(&p256_key(3))),
        ("p384", keygen.key("p384", &["-t", "ecdsa", "-b", "384"])),
        ("p521", keygen.key("p521", &["-t", "ecdsa", "-b", "521"])),
        ("rsa", keygen.key("rsa", &["-t", "rsa", "-b", "3072"])),
    ];
    for (name, key) in &keys {
        let certificate =
            verify(&Raw::of(key, &public(&ca())).signed()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(certificate.key, *key, "{name}");
    }
    // Security keys: the same points with an application beside them.
    let ed = subject().public_key().to_bytes().unwrap();
    let p256 = p256_key(3).public_key().to_bytes().unwrap();
    for (name, subject) in [
        ("sk-ssh-ed25519@openssh.com", ed.get(15..).unwrap()),
        ("sk-ecdsa-sha2-nistp256@openssh.com", p256.get(23..).unwrap()),
    ] {
        let subject = [subject, &string("ssh:")].concat();
        let blob = Raw::good().with(|raw| {
            raw.type_name = certificate_name(name);
            raw.subject = subject;
        });
        let certificate = verify(&blob.signed()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(certificate.key.type_name(), name);
    }
}

#[test]
fn security_keys_sign_no_certificates() {
    let point = ca().public_key().to_bytes().unwrap().get(15..).unwrap().to_vec();
    let blob = [string("sk-ssh-ed25519@openssh.com"), point, string("ssh:")].concat();
    let trusted = TrustedSet::new(CaKind::User, [PublicKey::from_blob(&blob).unwrap()]);
    let forged = Raw::good().with(|raw| raw.signature_key = blob).signed();
    let refusal = verify_user_certificate(&forged, &trusted, now(), source()).unwrap_err();
    assert!(matches!(refusal, CertificateRefusal::SignatureAlgorithm { .. }), "{refusal}");
}

#[test]
fn identity_is_the_extension_equal_to_the_key_id() {
    let extensions = |list: Vec<(&'static str, Vec<u8>)>| move |raw: &mut Raw| raw.extensions = options(list);
    let user = || ("user@mezite", string("alice"));
    all_refused(
        "identity",
        vec![
            case("no extension", extensions(vec![])),
            case("another user", extensions(vec![("user@mezite", string("root"))])),
            case("other case", extensions(vec![("user@mezite", string("Alice"))])),
            case("not UTF-8", extensions(vec![("user@mezite", string(b"\xff"))])),
            case("another key id", |raw| raw.key_id = b"root".to_vec()),
            case("a bot without generation", extensions(vec![("bot@mezite", string("i")), user()])),
            case("a generation without bot", extensions(vec![("generation@mezite", string("1")), user()])),
            case(
                "a generation that is no number",
                extensions(vec![("bot@mezite", string("i")), ("generation@mezite", string("one")), user()]),
            ),
        ],
    );
    all_refused(
        "malformed",
        vec![
            case("without inner string", extensions(vec![("user@mezite", b"alice".to_vec())])),
            case("bytes after it", extensions(vec![("user@mezite", [string("alice"), vec![0]].concat())])),
        ],
    );
}

#[test]
fn malformed_certificates() {
    let good = Raw::good();
    let trailing = [good.signed(), vec![0]].concat();
    let plain = subject().public_key().to_bytes().unwrap();
    for (label, blob) in [
        ("empty", vec![]),
        ("bytes after the end", trailing),
        ("a plain key", plain),
        ("larger than a packet", good.clone().with(|raw| raw.nonce = vec![0; 33_000]).signed()),
        ("something reserved", good.clone().with(|raw| raw.reserved = vec![0]).signed()),
        ("a short Ed25519 key", good.clone().with(|raw| raw.subject = string([1; 31])).signed()),
        ("a long Ed25519 key", good.clone().with(|raw| raw.subject = string([1; 33])).signed()),
        ("an empty signing key", good.clone().with(|raw| raw.signature_key = vec![]).signed()),
        ("a length of 4 GiB", vec![0xff; 64]),
    ] {
        assert_eq!(verdict(&blob), "malformed", "{label}");
    }
    // Bytes after the CA's key, inside its string: not the trusted key.
    let longer = good.with(|raw| raw.signature_key.push(0));
    assert_eq!(verdict(&longer.signed()), "ca");
}

#[test]
fn host_certificates_are_for_their_names() {
    let trusted = TrustedSet::new(CaKind::Host, [public(&ca())]);
    let host = |change: fn(&mut Raw)| {
        let raw = Raw::good().with(|raw| {
            raw.certificate_type = 2;
            raw.key_id = b"node".to_vec();
            raw.extensions = vec![];
            raw.principals = packed(["db-1.example.org", "192.0.2.9"]);
        });
        raw.with(change).signed()
    };
    let verify = |blob: &[u8], name: &str| {
        verify_host_certificate(blob, &trusted, now(), name)
            .map_or_else(|refusal| refusal.reason(), |_| "accepted")
    };
    for name in ["db-1.example.org", "DB-1.example.ORG", "192.0.2.9"] {
        assert_eq!(verify(&host(|_| ()), name), "accepted", "{name}");
    }
    for name in ["db-2.example.org", "db-1", "example.org", "", "*", "db-1.example.org."] {
        assert_eq!(verify(&host(|_| ()), name), "principals", "{name}");
    }
    assert_eq!(
        verify(&host(|raw| raw.principals = packed(["*.example.org"])), "db-1.example.org"),
        "principals"
    );
    assert_eq!(verify(&host(|raw| raw.principals = vec![]), "db-1.example.org"), "principals");
    assert_eq!(verify(&host(|raw| raw.valid_before = NOW), "192.0.2.9"), "validity");
    assert_eq!(verify(&host(|raw| raw.valid_before = u64::MAX), "192.0.2.9"), "validity");
    let bound = host(|raw| raw.critical = options([("source-address", string("0.0.0.0/0"))]));
    assert_eq!(verify(&bound, "192.0.2.9"), "critical_option");
}
