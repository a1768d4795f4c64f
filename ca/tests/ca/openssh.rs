//! Real `ssh-keygen` reads what we issue, and what it signs is judged by the same rules.

use std::time::{Duration, SystemTime};

use mezite_ca::{
    CaKind, ExportForm, KeyAlgorithm, NodeLegCredential, NodeLegRequest, Permits, TrustedSet,
    UserCertificateRequest, export, issue_user_certificate, verify_user_certificate,
};

use crate::support::*;

/// The lines of `ssh-keygen -L`, trimmed.
fn listed(keygen: &Keygen, line: &str) -> Vec<String> {
    std::fs::write(keygen.path("shown-cert.pub"), format!("{line}\n")).unwrap();
    keygen.run(&["-L", "-f", "shown-cert.pub"]).lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn ssh_keygen_shows_a_user_certificate() {
    let keygen = Keygen::new();
    for (algorithm, ca_name) in [
        (KeyAlgorithm::Ed25519, "ED25519 {} (using ssh-ed25519)"),
        (KeyAlgorithm::P256, "ECDSA {} (using ecdsa-sha2-nistp256)"),
    ] {
        let ca = ca_key(CaKind::User, algorithm);
        let request = UserCertificateRequest {
            user: "alice".to_owned(),
            key: public(&subject()),
            logins: vec!["ubuntu".to_owned()],
            lifetime: Duration::from_hours(1),
            source_addresses: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            permits: Permits { pty: true, agent_forwarding: true, ..Permits::default() },
            bot: None,
        };
        let issued = issue_user_certificate(&ca, &request, now()).unwrap();
        let expected = [
            "Type: ssh-ed25519-cert-v01@openssh.com user certificate".to_owned(),
            format!("Public key: ED25519-CERT {}", public(&subject()).fingerprint()),
            format!("Signing CA: {}", ca_name.replace("{}", &ca.public().fingerprint())),
            "Key ID: \"alice\"".to_owned(),
            format!("Serial: {}", issued.body().serial),
            "Valid: from 2027-01-15T07:59:00 to 2027-01-15T09:00:00".to_owned(),
            "Principals:".to_owned(),
            "alice".to_owned(),
            "ubuntu".to_owned(),
            "Critical Options:".to_owned(),
            "source-address 10.0.0.0/8,2001:db8::/32".to_owned(),
            "Extensions:".to_owned(),
            "permit-agent-forwarding".to_owned(),
            "permit-pty".to_owned(),
        ];
        let shown = listed(&keygen, &issued.line());
        let (identity, shown) = shown.get(1..).unwrap().split_last().unwrap();
        assert_eq!(shown, expected);
        // Versions differ in how they show what they do not know.
        assert!(
            identity.starts_with("user@mezite UNKNOWN OPTION") && identity.ends_with("(len 9)"),
            "{identity}"
        );
    }
}

#[test]
fn ssh_keygen_shows_a_node_certificate() {
    let keygen = Keygen::new();
    let ca = ca_key(CaKind::OpenSsh, KeyAlgorithm::Ed25519);
    let request = NodeLegRequest {
        login: "ubuntu",
        user: "alice",
        node: "db-1",
        connection: "7f3a",
        permits: Permits::default(),
        lifetime: Duration::from_mins(5),
    };
    let credential = NodeLegCredential::issue(&ca, KeyAlgorithm::P256, &request, now()).unwrap();
    let shown = listed(&keygen, &credential.certificate().line()).join("\n");
    for expected in [
        "Type: ecdsa-sha2-nistp256-cert-v01@openssh.com user certificate",
        "Key ID: \"user=alice login=ubuntu node=db-1 conn=7f3a\"",
        "Principals:\nubuntu\nCritical Options: (none)\nExtensions: (none)",
    ] {
        assert!(shown.contains(expected), "{expected:?} in {shown}");
    }
}

#[test]
fn certificates_of_ssh_keygen_are_read() {
    let keygen = Keygen::new();
    keygen.key("alice", &["-t", "ed25519"]);
    for (name, arguments) in [
        ("ed25519", &["-t", "ed25519"][..]),
        ("p256", &["-t", "ecdsa", "-b", "256"]),
        ("p384", &["-t", "ecdsa", "-b", "384"]),
        ("p521", &["-t", "ecdsa", "-b", "521"]),
        ("rsa", &["-t", "rsa", "-b", "2048"]),
    ] {
        let ca = keygen.key(name, arguments);
        keygen.run(&[
            "-q",
            "-s",
            name,
            "-I",
            "alice",
            "-n",
            "alice,root",
            "-V",
            "-1m:+1h",
            "-z",
            "7",
            "-O",
            "extension:user@mezite=alice",
            "-O",
            "source-address=192.0.2.0/24",
            "alice.pub",
        ]);
        let blob = blob_of(&keygen.path("alice-cert.pub"));
        let certificate = verify_user_certificate(&blob, &trust(&ca), SystemTime::now(), source())
            .unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!((certificate.serial, certificate.principals.len()), (7, 2), "{name}");
        // ssh-keygen's default extensions are all but user-rc of what we know.
        let permits = Permits { listed_forwarding: false, ..Permits::ALL };
        assert_eq!(certificate.permits, permits, "{name}");
    }
}

#[test]
fn hostile_006_a_sha1_signature_of_the_true_ca_is_refused() {
    let keygen = Keygen::new();
    keygen.key("alice", &["-t", "ed25519"]);
    let ca = keygen.key("rsa", &["-t", "rsa", "-b", "2048"]);
    let sign = |algorithm: &str| {
        keygen.run(&[
            "-q",
            "-t",
            algorithm,
            "-s",
            "rsa",
            "-I",
            "alice",
            "-n",
            "alice",
            "-V",
            "-1m:+1h",
            "-O",
            "extension:user@mezite=alice",
            "alice.pub",
        ]);
        let blob = blob_of(&keygen.path("alice-cert.pub"));
        verify_user_certificate(&blob, &trust(&ca), SystemTime::now(), source())
            .map_or_else(|refusal| refusal.reason(), |_| "accepted")
    };
    assert_eq!(sign("rsa-sha2-256"), "accepted");
    assert_eq!(sign("rsa-sha2-512"), "accepted");
    assert_eq!(sign("ssh-rsa"), "ca");
}

#[test]
fn exported_lines_are_keys_that_openssh_reads() {
    let keygen = Keygen::new();
    let (active, old) =
        (ca_key(CaKind::OpenSsh, KeyAlgorithm::Ed25519), ca_key(CaKind::OpenSsh, KeyAlgorithm::P256));
    let trusted = TrustedSet::new(CaKind::OpenSsh, [active.public().clone(), old.public().clone()]);
    let plain = export(&trusted, ExportForm::Plain, "example.org");
    std::fs::write(keygen.path("plain"), &plain).unwrap();
    let listed = keygen.run(&["-l", "-f", "plain"]);
    let fingerprints: Vec<_> = listed.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(fingerprints, [active.public().fingerprint(), old.public().fingerprint()], "active first");

    let first = active.public().line();
    let comment = "clustername=example.org&type=openssh";
    for (form, start) in [
        (ExportForm::Plain, String::new()),
        (ExportForm::AuthorizedKeys, "cert-authority ".to_owned()),
        (ExportForm::ClusterKnownHosts, "@cert-authority *.example.org ".to_owned()),
        (ExportForm::KnownHosts, "@cert-authority * ".to_owned()),
    ] {
        let text = export(&trusted, form, "example.org");
        assert_eq!(text.lines().count(), 2);
        assert_eq!(text.lines().next(), Some(format!("{start}{first} {comment}").as_str()));
    }
    // What the Teleport guide does with its export leaves the plain form.
    let guide = export(&trusted, ExportForm::AuthorizedKeys, "example.org").replace("cert-authority ", "");
    assert_eq!(guide, plain);
}

#[test]
fn a_cluster_name_cannot_add_lines_to_an_export() {
    let ca = ca_key(CaKind::Host, KeyAlgorithm::Ed25519);
    let trusted = TrustedSet::new(CaKind::Host, [ca.public().clone()]);
    let text = export(&trusted, ExportForm::ClusterKnownHosts, "x\n@cert-authority * ssh-ed25519 AAAA");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!(text.split(' ').count(), 5, "{text}");
}
