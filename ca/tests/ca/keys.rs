//! Public keys as text and as blobs.

use mezite_ca::{PublicKey, PublicKeyError};

use crate::support::*;

#[test]
fn a_line_of_a_pub_file_is_a_key() {
    let keygen = Keygen::new();
    for (name, arguments) in [
        ("ed25519", &["-t", "ed25519", "-C", "me at home"][..]),
        ("p256", &["-t", "ecdsa", "-b", "256"]),
        ("rsa", &["-t", "rsa", "-b", "2048", "-C", ""]),
    ] {
        keygen.make(name, arguments);
        let line = std::fs::read_to_string(keygen.path(&format!("{name}.pub"))).unwrap();
        let key = PublicKey::from_line(&line).unwrap();
        assert!(line.starts_with(&key.line()), "{name}");
        assert_eq!(PublicKey::from_blob(key.blob()).unwrap(), key);
        let listed = keygen.run(&["-l", "-f", &format!("{name}.pub")]);
        assert!(listed.contains(&key.fingerprint()), "{name}: {listed}");
    }
}

#[test]
fn hostile_038_what_is_no_line_of_a_pub_file() {
    let line = public(&subject()).line();
    let refused = |text: &str| PublicKey::from_line(text).unwrap_err();
    for (label, text) in [
        ("nothing", String::new()),
        ("blanks", "  \n".to_owned()),
        ("two lines", format!("{line}\n{line}\n")),
        ("CRLF", format!("{line}\r\n")),
        ("an option before it", format!("no-pty {line}")),
        ("an empty line before it", format!("\n{line}")),
        ("a NUL", format!("{line} a\0b")),
        ("the type alone", "ssh-ed25519".to_owned()),
        ("another type's name", line.replacen("ssh-ed25519", "ssh-rsa", 1)),
        ("no base64", "ssh-ed25519 ÄÖÜ".to_owned()),
    ] {
        assert_eq!(refused(&text), PublicKeyError::NotALine, "{label}");
    }
    let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n-----END OPENSSH PRIVATE KEY-----\n";
    assert_eq!(refused(private), PublicKeyError::Private);
    assert!(!refused(private).to_string().contains("secret"));
}

#[test]
fn hostile_038_keys_that_are_not_accepted() {
    let keygen = Keygen::new();
    keygen.make("weak", &["-t", "rsa", "-b", "1024"]);
    keygen.make("dsa", &["-t", "dsa"]);
    let error =
        |name: &str| PublicKey::from_line(&std::fs::read_to_string(keygen.path(name)).unwrap()).unwrap_err();
    assert_eq!(error("weak.pub"), PublicKeyError::RsaSize { bits: 1024 });
    assert_eq!(error("dsa.pub"), PublicKeyError::Unsupported { name: "ssh-dss".to_owned() });
    assert_eq!(PublicKey::from_blob(&Raw::good().signed()).unwrap_err(), PublicKeyError::Certificate);
}

#[test]
fn a_blob_has_one_form() {
    let blob = public(&subject()).blob().to_vec();
    for length in 0..blob.len() {
        assert!(PublicKey::from_blob(blob.get(..length).unwrap()).is_err(), "{length} bytes");
    }
    assert_eq!(PublicKey::from_blob(&[&blob[..], &[0]].concat()).unwrap_err(), PublicKeyError::Malformed);
    // A string that reaches over the next one: read leniently it would give the same key as the blob in order.
    let point = blob.get(19..).unwrap();
    let security_key = |first: &[u8], rest: &[u8]| {
        PublicKey::from_blob(&[&packed([&b"sk-ssh-ed25519@openssh.com"[..], first])[..], rest].concat())
    };
    assert!(security_key(point, &string("ssh:")).is_ok());
    let over = [point, &string("ssh:")].concat();
    assert_eq!(security_key(&over, &[]).unwrap_err(), PublicKeyError::Malformed);
    // An RSA modulus with a zero in front, or negative.
    let modulus = [vec![0xc1; 255], vec![1]].concat();
    let rsa = |e: &[u8], n: &[u8]| PublicKey::from_blob(&packed([&b"ssh-rsa"[..], e, n]));
    assert!(rsa(&[1, 0, 1], &[&[0], &modulus[..]].concat()).is_ok());
    assert_eq!(rsa(&[1, 0, 1], &[&[0, 0], &modulus[..]].concat()).unwrap_err(), PublicKeyError::Malformed);
    assert_eq!(rsa(&[1, 0, 1], &modulus).unwrap_err(), PublicKeyError::Malformed);
    for exponent in [&[1][..], &[], &[1, 0, 0], &[1; 9]] {
        let refused = rsa(exponent, &[&[0], &modulus[..]].concat()).unwrap_err();
        assert_eq!(refused, PublicKeyError::Malformed, "{exponent:?}");
    }
    let huge = [&[0][..], &[0xc1; 1025]].concat();
    assert_eq!(rsa(&[1, 0, 1], &huge).unwrap_err(), PublicKeyError::RsaSize { bits: 8200 });
}
