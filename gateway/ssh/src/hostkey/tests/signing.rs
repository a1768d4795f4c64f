//! Key pairs: what they sign, and which they refuse to be.

use rand_core::OsRng;
use ssh_key::private::{EcdsaKeypair, RsaKeypair, RsaPrivateKey};
use ssh_key::public::RsaPublicKey;
use ssh_key::{EcdsaCurve, Mpint, PrivateKey};

use super::{certificates, parts, strings};
use crate::hostkey::{KeyPair, KeyPairError, SignError, Signer, verify};

/// The kinds of key that sign for us.
fn signing_kinds() -> [ssh_key::Algorithm; 4] {
    let ecdsa = |curve| ssh_key::Algorithm::Ecdsa { curve };
    [
        ssh_key::Algorithm::Ed25519,
        ecdsa(EcdsaCurve::NistP256),
        ecdsa(EcdsaCurve::NistP384),
        ecdsa(EcdsaCurve::NistP521),
    ]
}

#[test]
fn a_key_pair_signs_what_its_public_blob_verifies() {
    for kind in signing_kinds() {
        let pair = KeyPair::new(PrivateKey::random(&mut OsRng, kind).unwrap()).unwrap();
        let [name] = pair.algorithms() else { panic!("one algorithm") };
        let signature = pair.sign(name, b"message").unwrap();
        assert_eq!(verify(name, pair.public_blob(), b"message", &signature), Ok(()), "{name}");
        assert_eq!(pair.sign("rsa-sha2-512", b"message"), Err(SignError::Algorithm), "{name}");
    }
}

/// The example of RFC 6979, appendix A.2.5: P-256, SHA-256, message "sample".
#[test]
fn p256_signs_without_randomness() {
    let secret = p256::SecretKey::from_bytes(
        &hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721").into(),
    )
    .unwrap();
    let public = p256::ecdsa::VerifyingKey::from(secret.public_key()).to_encoded_point(false);
    let pair = EcdsaKeypair::NistP256 { public, private: secret.into() };
    let pair = KeyPair::new(PrivateKey::from(pair)).unwrap();
    let signature = pair.sign("ecdsa-sha2-nistp256", b"sample").unwrap();
    let [r, s] = [
        hex("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"),
        hex("f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"),
    ];
    let rs = strings(&[&[&[0], &r[..]].concat(), &[&[0], &s[..]].concat()]);
    assert_eq!(parts(&signature), [b"ecdsa-sha2-nistp256".as_slice(), &rs]);
}

fn hex(text: &str) -> [u8; 32] {
    std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
}

#[test]
fn an_rsa_key_does_not_sign() {
    let number = || Mpint::from_positive_bytes(&[7; 256]).unwrap();
    let public = RsaPublicKey { e: number(), n: number() };
    let private = RsaPrivateKey { d: number(), iqmp: number(), p: number(), q: number() };
    let private = PrivateKey::from(RsaKeypair { public, private });
    assert_eq!(KeyPair::new(private).err(), Some(KeyPairError::Unsupported));
}

#[test]
fn a_key_pair_with_a_certificate_shows_the_certificate() {
    let private = PrivateKey::random(&mut OsRng, ssh_key::Algorithm::Ed25519).unwrap();
    let ca = PrivateKey::random(&mut OsRng, ssh_key::Algorithm::Ed25519).unwrap();
    let mut builder =
        ssh_key::certificate::Builder::new_with_random_nonce(&mut OsRng, private.public_key(), 0, 1).unwrap();
    builder.valid_principal("root").unwrap();
    let certificate = builder.sign(&ca).unwrap().to_bytes().unwrap();

    let pair = KeyPair::new(private).unwrap().with_certificate(certificate.clone()).unwrap();
    assert_eq!(pair.public_blob(), certificate);
    assert_eq!(pair.algorithms(), ["ssh-ed25519-cert-v01@openssh.com"]);
    let signature = pair.sign("ssh-ed25519-cert-v01@openssh.com", b"message").unwrap();
    assert_eq!(parts(&signature)[0], b"ssh-ed25519");
    assert_eq!(verify("ssh-ed25519-cert-v01@openssh.com", &certificate, b"message", &signature), Ok(()));
    assert_eq!(pair.sign("ssh-ed25519", b"message"), Err(SignError::Algorithm));
}

#[test]
fn a_certificate_of_another_key_is_refused() {
    let pair = || KeyPair::new(PrivateKey::random(&mut OsRng, ssh_key::Algorithm::Ed25519).unwrap()).unwrap();
    for (name, certificate) in certificates() {
        let expected = if name == "ed25519" { KeyPairError::OtherKey } else { KeyPairError::CertificateType };
        assert_eq!(pair().with_certificate(certificate).err(), Some(expected), "{name}");
    }
    let plain = pair().public_blob().to_vec();
    assert_eq!(pair().with_certificate(plain).err(), Some(KeyPairError::CertificateType));
    assert_eq!(pair().with_certificate(Vec::new()).err(), Some(KeyPairError::CertificateType));
}

#[test]
fn a_private_key_does_not_show_in_debug_output() {
    let private = PrivateKey::random(&mut OsRng, ssh_key::Algorithm::Ed25519).unwrap();
    let fingerprint = private.fingerprint(ssh_key::HashAlg::Sha256);
    let shown = format!("{:?}", KeyPair::new(private).unwrap());
    assert_eq!(
        shown,
        format!("KeyPair {{ algorithm: \"ssh-ed25519\", fingerprint: \"{fingerprint}\", .. }}")
    );
}
