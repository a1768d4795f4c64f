//! A builder of certificates that checks nothing, and the cast of keys that tests play with.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA512;
use mezite_ca::ssh_key::private::{EcdsaKeypair, Ed25519Keypair};
use mezite_ca::ssh_key::{PrivateKey, Signature};
use mezite_ca::{
    CaKind, CertificateRefusal, KeyAlgorithm, PublicKey, SshCaKey, TrustedSet, UserCertificate, Verified,
    verify_user_certificate,
};
use rustls::pki_types::PrivatePkcs1KeyDer;
use rustls::pki_types::pem::PemObject as _;
use signature::Signer as _;
use tempfile::TempDir;

/// The time at which everything happens, in seconds since 1970.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

pub(crate) fn source() -> IpAddr {
    "192.0.2.7".parse().unwrap()
}

/// A key that signs for the tests.
pub(crate) trait TestKey {
    /// The public key's blob.
    fn blob(&self) -> Vec<u8>;
    /// A signature's blob.
    fn sign(&self, message: &[u8]) -> Vec<u8>;
}

impl TestKey for PrivateKey {
    fn blob(&self) -> Vec<u8> {
        self.public_key().to_bytes().unwrap()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.try_sign(message).unwrap();
        signature.try_into().unwrap()
    }
}

/// An RSA key. It signs through `aws-lc-rs`: `ssh-key` 0.6 verifies with RSA keys but cannot sign with them.
pub(crate) struct RsaKey {
    blob: Vec<u8>,
    pair: KeyPair,
}

impl TestKey for RsaKey {
    fn blob(&self) -> Vec<u8> {
        self.blob.clone()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), message, &mut signature).unwrap();
        packed([&b"rsa-sha2-512"[..], &signature])
    }
}

/// An Ed25519 key that is the same in every run.
pub(crate) fn ed25519(seed: u8) -> PrivateKey {
    Ed25519Keypair::from_seed(&[seed; 32]).into()
}

/// A P-256 key that is the same in every run.
pub(crate) fn p256_key(seed: u8) -> PrivateKey {
    let secret = p256::SecretKey::from_slice(&[seed; 32]).unwrap();
    let public = secret.public_key().into();
    EcdsaKeypair::NistP256 { private: secret.into(), public }.into()
}

/// The user CA of these tests.
pub(crate) fn ca() -> PrivateKey {
    ed25519(1)
}

/// The user's key.
pub(crate) fn subject() -> PrivateKey {
    ed25519(2)
}

pub(crate) fn public(key: &dyn TestKey) -> PublicKey {
    PublicKey::from_blob(&key.blob()).unwrap()
}

/// The User CA has this key and no other.
pub(crate) fn trust(key: &PublicKey) -> TrustedSet {
    TrustedSet::new(CaKind::User, [key.clone()])
}

pub(crate) fn ca_key(kind: CaKind, algorithm: KeyAlgorithm) -> SshCaKey {
    SshCaKey::generate(kind, algorithm, "2026-01-01T00:00:00Z".parse().unwrap()).unwrap()
}

/// What the verifier says to a blob, with the CA of these tests, now, from [`source`].
pub(crate) fn verify(blob: &[u8]) -> Result<Verified<UserCertificate>, CertificateRefusal> {
    verify_user_certificate(blob, &trust(&public(&ca())), now(), source())
}

/// The audit word of the refusal, or `accepted`.
pub(crate) fn verdict(blob: &[u8]) -> &'static str {
    verify(blob).map_or_else(|refusal| refusal.reason(), |_| "accepted")
}

/// A `string` of RFC 4251 section 5.
pub(crate) fn string(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let mut out = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out
}

/// The fields of a certificate, in the order of PROTOCOL.certkeys, none of them checked.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) type_name: String,
    pub(crate) nonce: Vec<u8>,
    /// The subject's public key without its type's name.
    pub(crate) subject: Vec<u8>,
    pub(crate) serial: u64,
    pub(crate) certificate_type: u32,
    pub(crate) key_id: Vec<u8>,
    /// The packed list.
    pub(crate) principals: Vec<u8>,
    pub(crate) valid_after: u64,
    pub(crate) valid_before: u64,
    pub(crate) critical: Vec<u8>,
    pub(crate) extensions: Vec<u8>,
    pub(crate) reserved: Vec<u8>,
    pub(crate) signature_key: Vec<u8>,
}

impl Raw {
    /// A certificate that is in order: alice's, of [`subject`], to be signed by [`ca`].
    pub(crate) fn good() -> Self {
        Self::of(&public(&subject()), &public(&ca()))
    }

    pub(crate) fn of(subject: &PublicKey, ca: &PublicKey) -> Self {
        let name = subject.type_name();
        Self {
            type_name: certificate_name(name),
            nonce: vec![7; 32],
            subject: subject.blob().get(4 + name.len()..).unwrap().to_vec(),
            serial: 42,
            certificate_type: 1,
            key_id: b"alice".to_vec(),
            principals: packed(["alice", "root"]),
            valid_after: NOW - 60,
            valid_before: NOW + 3600,
            critical: Vec::new(),
            extensions: options([("user@mezite", string("alice"))]),
            reserved: Vec::new(),
            signature_key: ca.blob().to_vec(),
        }
    }

    /// The same with a change.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The bytes that are signed.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut out = string(&self.type_name);
        out.extend(string(&self.nonce));
        out.extend(&self.subject);
        out.extend(self.serial.to_be_bytes());
        out.extend(self.certificate_type.to_be_bytes());
        out.extend(string(&self.key_id));
        out.extend(string(&self.principals));
        out.extend(self.valid_after.to_be_bytes());
        out.extend(self.valid_before.to_be_bytes());
        out.extend(string(&self.critical));
        out.extend(string(&self.extensions));
        out.extend(string(&self.reserved));
        out.extend(string(&self.signature_key));
        out
    }

    /// The whole certificate, with a true signature.
    pub(crate) fn signed_by(&self, key: &dyn TestKey) -> Vec<u8> {
        self.with_signature(&key.sign(&self.body()))
    }

    /// The whole certificate, with whatever stands for a signature.
    pub(crate) fn with_signature(&self, signature: &[u8]) -> Vec<u8> {
        let mut blob = self.body();
        blob.extend(string(signature));
        blob
    }

    /// The whole certificate, signed by [`ca`].
    pub(crate) fn signed(&self) -> Vec<u8> {
        self.signed_by(&ca())
    }
}

/// `X` → `X-cert-v01@openssh.com`, `X@D` → `X-cert-v01@D`.
pub(crate) fn certificate_name(plain: &str) -> String {
    match plain.split_once('@') {
        Some((name, domain)) => format!("{name}-cert-v01@{domain}"),
        None => format!("{plain}-cert-v01@openssh.com"),
    }
}

/// A packed list of strings.
pub(crate) fn packed<T: AsRef<[u8]>>(list: impl IntoIterator<Item = T>) -> Vec<u8> {
    list.into_iter().flat_map(string).collect()
}

/// A packed list of options with their data as it is.
pub(crate) fn options<'a>(list: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Vec<u8> {
    list.into_iter().flat_map(|(name, data)| [string(name), string(data)].concat()).collect()
}

/// A folder with keys made by the real `ssh-keygen`.
pub(crate) struct Keygen {
    folder: TempDir,
}

impl Keygen {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `ssh-keygen` in the folder and gives its output.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new("ssh-keygen")
            .args(arguments)
            .current_dir(self.folder.path())
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .output()
            .expect("ssh-keygen is installed");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "ssh-keygen {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// An RSA key of 2048 bits.
    pub(crate) fn rsa(&self, name: &str) -> RsaKey {
        self.make(name, &["-t", "rsa", "-b", "2048", "-m", "PEM"]);
        let der = PrivatePkcs1KeyDer::from_pem_file(self.path(name)).unwrap();
        let pair = KeyPair::from_der(der.secret_pkcs1_der()).unwrap();
        RsaKey { blob: blob_of(&self.path(&format!("{name}.pub"))), pair }
    }

    /// Makes the files `NAME` and `NAME.pub` of a key of a type (`-t`) and size (`-b`).
    pub(crate) fn make(&self, name: &str, arguments: &[&str]) {
        self.run(&[&["-q", "-N", "", "-f", name], arguments].concat());
    }

    /// Makes a key and gives its public half.
    pub(crate) fn key(&self, name: &str, arguments: &[&str]) -> PublicKey {
        self.make(name, arguments);
        PublicKey::from_blob(&blob_of(&self.path(&format!("{name}.pub")))).unwrap()
    }
}

/// The blob in a `.pub` or `-cert.pub` file.
pub(crate) fn blob_of(path: &Path) -> Vec<u8> {
    use base64::Engine as _;
    let line = std::fs::read_to_string(path).unwrap();
    let base64 = line.split_ascii_whitespace().nth(1).unwrap();
    base64::engine::general_purpose::STANDARD.decode(base64).unwrap()
}
