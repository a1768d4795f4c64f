//! Hostile test 25: key types that are weak, unknown, or not touched.

use rand_core::OsRng;
use sha2::{Digest, Sha256};
use ssh_key::{EcdsaCurve, PrivateKey};

use super::{Signed, certificates, parts, signed, strings};
use crate::hostkey::{SignatureError, key_blob_type, plain_key_blob, verify};
use crate::wire::Writer;

#[test]
fn hostile_025_rsa_under_all_three_names() {
    let [sha512, sha256] = [signed("rsa2048"), signed("rsa2048-sha256")];
    let certificate = certificates().find(|(name, _)| *name == "rsa2048").unwrap().1;
    let as_certificate =
        |signed: &Signed, name| verify(name, &certificate, &signed.message, &signed.signature);

    assert_eq!(sha512.verify_as("ssh-rsa"), Err(SignatureError::UnknownAlgorithm));
    assert_eq!(sha512.verify_as("rsa-sha2-256"), Err(SignatureError::SignatureName));
    assert_eq!(sha256.verify_as("rsa-sha2-512"), Err(SignatureError::SignatureName));
    assert_eq!(as_certificate(&sha512, "rsa-sha2-512-cert-v01@openssh.com"), Ok(()));
    assert_eq!(as_certificate(&sha256, "rsa-sha2-256-cert-v01@openssh.com"), Ok(()));
    let sha1 = as_certificate(&sha512, "ssh-rsa-cert-v01@openssh.com");
    assert_eq!(sha1, Err(SignatureError::UnknownAlgorithm));

    let tagged_sha1 = strings(&[b"ssh-rsa", parts(&sha512.signature)[1]]);
    assert_eq!(sha512.verify_signature(&tagged_sha1), Err(SignatureError::SignatureName));
}

#[test]
fn hostile_025_rsa_of_a_size_not_allowed() {
    assert_eq!(signed("rsa1024").verify(), Err(SignatureError::KeySize));
    assert_eq!(signed("rsa2047").verify(), Err(SignatureError::KeySize));

    let good = signed("rsa2048");
    let [name, exponent, modulus] = parts(&good.key).try_into().unwrap();
    let long = [&[1], [0xff; 1024].as_slice()].concat();
    assert_eq!(good.verify_key(&strings(&[name, exponent, &long])), Err(SignatureError::KeySize));
    for (exponent, modulus, what) in [
        (exponent, b"".as_slice(), "modulus 0"),
        (exponent, &modulus[1..], "negative modulus"),
        (exponent, &[&[0], modulus].concat(), "modulus with a needless zero"),
        (b"", modulus, "exponent 0"),
        (b"\x01", modulus, "exponent 1"),
        (b"\x02", modulus, "even exponent"),
        (&[0x7f; 200], modulus, "long exponent"),
    ] {
        assert!(good.verify_key(&strings(&[name, exponent, modulus])).is_err(), "{what}");
    }
}

#[test]
fn hostile_025_dsa_and_unknown_types() {
    let dsa = signed("dsa");
    assert_eq!(dsa.verify(), Err(SignatureError::UnknownAlgorithm));
    assert_eq!(dsa.verify_as("ssh-ed25519"), Err(SignatureError::KeyType));
    let ed25519 = signed("ed25519");
    for name in [
        "",
        "ssh-ed448",
        "none",
        "ssh-ed25519 ",
        "SSH-ED25519",
        "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
    ] {
        assert_eq!(ed25519.verify_as(name), Err(SignatureError::UnknownAlgorithm), "{name}");
    }
    let unknown = strings(&[b"ssh-future-cert-v01@example.com", &[0; 40]]);
    assert_eq!(ed25519.verify_key(&unknown), Err(SignatureError::KeyType));
    assert_eq!(plain_key_blob(&unknown).unwrap(), unknown);
    assert_eq!(key_blob_type(&strings(&[b"\xff\xfe"])), Err(SignatureError::MalformedKey));
}

/// A software token: signs as PROTOCOL.u2f says, with any flags.
fn token_signature(private: &PrivateKey, name: &str, message: &[u8], flags: u8) -> Vec<u8> {
    let mut signed_data = Sha256::digest(b"ssh:").to_vec();
    signed_data.u8(flags).u32(5).raw(&Sha256::digest(message));
    let signature = signature::Signer::sign(private, &signed_data);
    let mut blob = strings(&[name.as_bytes(), signature.as_bytes()]);
    blob.u8(flags).u32(5);
    blob
}

#[test]
fn hostile_025_a_security_key_that_was_not_touched() {
    for (algorithm, name) in [
        (ssh_key::Algorithm::Ed25519, "sk-ssh-ed25519@openssh.com"),
        (ssh_key::Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }, "sk-ecdsa-sha2-nistp256@openssh.com"),
    ] {
        let private = PrivateKey::random(&mut OsRng, algorithm).unwrap();
        let plain = private.public_key().to_bytes().unwrap();
        let key = strings(&[&[name.as_bytes()], &parts(&plain)[1..], &[b"ssh:"]].concat());
        let check =
            |flags| verify(name, &key, b"message", &token_signature(&private, name, b"message", flags));
        assert_eq!(check(0x01), Ok(()), "{name} touched");
        assert_eq!(check(0x05), Ok(()), "{name} touched and verified");
        assert_eq!(check(0x00), Err(SignatureError::NotPresent), "{name} not touched");
        assert_eq!(check(0x04), Err(SignatureError::NotPresent), "{name} verified but not touched");

        let other_application = strings(&[&[name.as_bytes()], &parts(&plain)[1..], &[b"ssh:other"]].concat());
        let signature = token_signature(&private, name, b"message", 1);
        assert_eq!(
            verify(name, &other_application, b"message", &signature),
            Err(SignatureError::Invalid),
            "{name}"
        );
    }
}

#[test]
fn hostile_025_the_flags_of_a_real_token_cannot_be_changed() {
    for name in ["sk-ed25519", "sk-ecdsa256"] {
        let signed = signed(name);
        let flags_at = signed.signature.len() - 5;
        let mut signature = signed.signature.clone();
        signature[flags_at] = 0x05;
        assert_eq!(signed.verify_signature(&signature), Err(SignatureError::Invalid), "{name}");
        signature[flags_at] = 0x00;
        assert_eq!(signed.verify_signature(&signature), Err(SignatureError::NotPresent), "{name}");
    }
}
