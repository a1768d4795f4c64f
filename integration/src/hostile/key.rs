//! Private keys of hostile peers: they sign whatever they are given.

use std::fs;
use std::path::Path;
use std::process::Command;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA512;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mezite_fixtures::{Scratch, run};
use mezite_ssh::wire::Writer as _;
use rand_core::OsRng;
use signature::Signer as _;
use ssh_key::{Algorithm, EcdsaCurve, PrivateKey, PublicKey, Signature};

/// What RSA keys sign with.
const RSA: &str = "rsa-sha2-512";

/// A private key that signs.
pub trait Key: Send + Sync {
    /// The algorithm that it signs with.
    fn algorithm(&self) -> String;
    /// The blob of the public key.
    fn blob(&self) -> Vec<u8>;
    /// The blob of a signature.
    fn signature_of(&self, message: &[u8]) -> Vec<u8>;
}

impl Key for PrivateKey {
    fn algorithm(&self) -> String {
        self.algorithm().to_string()
    }

    fn blob(&self) -> Vec<u8> {
        self.public_key().to_bytes().expect("a public key has a blob")
    }

    fn signature_of(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.try_sign(message).expect("an unencrypted key signs");
        signature.try_into().expect("a signature has a blob")
    }
}

/// A fresh Ed25519 key.
pub fn any_key() -> PrivateKey {
    PrivateKey::random(&mut OsRng, Algorithm::Ed25519).expect("randomness")
}

/// A fresh key on P-256.
pub fn ecdsa_key() -> PrivateKey {
    let algorithm = Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 };
    PrivateKey::random(&mut OsRng, algorithm).expect("randomness")
}

/// An RSA key. `ssh-key` verifies with such keys but does not sign with them.
pub struct RsaKey {
    blob: Vec<u8>,
    pair: KeyPair,
}

impl RsaKey {
    /// One of 2048 bits, made by `ssh-keygen` under `name` in the scratch.
    pub fn generate(scratch: &Scratch, name: &str) -> Self {
        let path = scratch.join(name);
        let mut keygen = Command::new("ssh-keygen");
        run(keygen.args(["-q", "-N", "", "-t", "rsa", "-b", "2048", "-m", "PEM", "-f"]).arg(&path))
            .assert_ok();
        let pair = KeyPair::from_der(&pem(&path)).expect("a PKCS #1 key");
        let public = PublicKey::read_openssh_file(&path.with_extension("pub")).expect("a public key");
        Self { blob: public.to_bytes().expect("a public key has a blob"), pair }
    }
}

/// The content of a PEM file.
fn pem(path: &Path) -> Vec<u8> {
    let text = fs::read_to_string(path).expect("a file that ssh-keygen has made");
    let lines: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(lines).expect("base64")
}

impl Key for RsaKey {
    fn algorithm(&self) -> String {
        RSA.to_owned()
    }

    fn blob(&self) -> Vec<u8> {
        self.blob.clone()
    }

    fn signature_of(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let signed = self.pair.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), message, &mut signature);
        signed.expect("an RSA key signs");
        let mut blob = Vec::new();
        blob.string(RSA).string(signature);
        blob
    }
}
