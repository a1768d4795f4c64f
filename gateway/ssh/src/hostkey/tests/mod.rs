//! Signatures of other implementations, and what must not count as one.

mod hostile_018;
mod hostile_025;
mod signing;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::{
    ALGORITHMS, SignatureError, by_name, fingerprint, is_certificate, key_blob_type, plain_key_blob, verify,
};
use crate::wire::{Reader, Writer};

/// A signature in `testdata/signatures.txt`.
struct Signed {
    name: &'static str,
    algorithm: &'static str,
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
    fingerprint: &'static str,
}

impl Signed {
    fn verify(&self) -> Result<(), SignatureError> {
        verify(self.algorithm, &self.key, &self.message, &self.signature)
    }

    fn verify_as(&self, algorithm: &str) -> Result<(), SignatureError> {
        verify(algorithm, &self.key, &self.message, &self.signature)
    }

    fn verify_signature(&self, signature: &[u8]) -> Result<(), SignatureError> {
        verify(self.algorithm, &self.key, &self.message, signature)
    }

    fn verify_key(&self, key: &[u8]) -> Result<(), SignatureError> {
        verify(self.algorithm, key, &self.message, &self.signature)
    }
}

fn bytes(base64: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(base64).unwrap()
}

fn records(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').collect())
}

fn all_signed() -> impl Iterator<Item = Signed> {
    records(include_str!("../testdata/signatures.txt")).map(|record| {
        let [name, algorithm, key, message, signature, fingerprint] = record.try_into().unwrap();
        let (key, message, signature) = (bytes(key), bytes(message), bytes(signature));
        Signed { name, algorithm, key, message, signature, fingerprint }
    })
}

fn signed(name: &str) -> Signed {
    all_signed().find(|signed| signed.name == name).unwrap()
}

/// Those that must be accepted.
fn good() -> impl Iterator<Item = Signed> {
    all_signed().filter(|signed| !["rsa1024", "rsa2047", "dsa"].contains(&signed.name))
}

/// The name of a key in `testdata/signatures.txt` and a certificate for it.
fn certificates() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    records(include_str!("../testdata/certificates.txt")).map(|record| {
        let [name, certificate] = record.try_into().unwrap();
        (name, bytes(certificate))
    })
}

fn parse_type(blob: &[u8]) -> &str {
    key_blob_type(blob).unwrap()
}

/// A blob made of strings.
fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let mut blob = Vec::new();
    for part in parts {
        blob.string(part);
    }
    blob
}

/// The strings that a key or signature blob is made of.
fn parts(blob: &[u8]) -> Vec<&[u8]> {
    let mut reader = Reader::new(blob);
    std::iter::from_fn(|| (!reader.rest().is_empty()).then(|| reader.string().unwrap())).collect()
}

#[test]
fn signatures_of_other_implementations_count() {
    for signed in good() {
        assert_eq!(signed.verify(), Ok(()), "{}", signed.name);
        let other_message = verify(signed.algorithm, &signed.key, b"another message", &signed.signature);
        assert_eq!(other_message, Err(SignatureError::Invalid), "{}", signed.name);
    }
}

#[test]
fn a_certificate_counts_as_the_key_that_it_certifies() {
    for (name, certificate) in certificates() {
        let signed = signed(name);
        let algorithm = ALGORITHMS
            .iter()
            .find(|algorithm| algorithm.certificate && algorithm.signature == signed.algorithm)
            .unwrap();
        assert_eq!(key_blob_type(&certificate), Ok(algorithm.key_type));
        assert_eq!(
            verify(algorithm.name, &certificate, &signed.message, &signed.signature),
            Ok(()),
            "{name}"
        );
        assert_eq!(plain_key_blob(&certificate).unwrap(), signed.key, "{name}");
        assert_eq!(signed.verify_key(&certificate), Err(SignatureError::KeyType), "{name}");
        assert_eq!(signed.verify_as(algorithm.name), Err(SignatureError::KeyType), "{name}");
    }
}

#[test]
fn fingerprints_are_those_that_openssh_shows() {
    for signed in all_signed() {
        assert_eq!(fingerprint(&signed.key), signed.fingerprint, "{}", signed.name);
    }
    for (name, certificate) in certificates() {
        assert_eq!(fingerprint(&certificate), signed(name).fingerprint, "{name}");
    }
    assert_eq!(fingerprint(b""), "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU");
}

#[test]
fn algorithm_names_follow_their_specification() {
    for algorithm in ALGORITHMS {
        assert!(std::ptr::eq(by_name(algorithm.name).unwrap(), algorithm));
        assert_eq!(is_certificate(algorithm.name), algorithm.name.ends_with("-cert-v01@openssh.com"));
        assert_eq!(
            algorithm.certificate,
            algorithm.key_type != algorithm.plain_key_type,
            "{}",
            algorithm.name
        );
        assert_eq!(algorithm.host_key, !algorithm.name.starts_with("sk-"), "{}", algorithm.name);
    }
    assert!(!is_certificate("ssh-dss-cert-v01@openssh.com"));
}
