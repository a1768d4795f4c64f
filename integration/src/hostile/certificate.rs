//! Certificates of which every field may be wrong.

use std::time::{SystemTime, UNIX_EPOCH};

use mezite_ssh::wire::{Reader, Writer as _};

use super::Key;

/// The fields of a certificate in the order of OpenSSH's PROTOCOL.certkeys, none of them checked.
#[derive(Clone)]
pub struct Certificate {
    /// The name of its type.
    pub type_name: String,
    /// The subject's public key without the name of its type.
    pub subject: Vec<u8>,
    /// 1: user, 2: host.
    pub kind: u32,
    /// The key id.
    pub key_id: Vec<u8>,
    /// The packed list: see [`list`].
    pub principals: Vec<u8>,
    /// Seconds since 1970.
    pub valid_after: u64,
    /// Seconds since 1970.
    pub valid_before: u64,
    /// Packed: see [`option`].
    pub critical: Vec<u8>,
    /// Packed: see [`option`].
    pub extensions: Vec<u8>,
    /// The blob of the key that signs.
    pub signature_key: Vec<u8>,
}

impl Certificate {
    /// One that is in order: `user`'s for the key `subject`, to be signed by `ca`.
    pub fn of(user: &str, subject: &dyn Key, ca: &dyn Key) -> Self {
        let (type_name, key) = split(&subject.blob());
        Self {
            type_name: certificate_name(&type_name),
            subject: key,
            kind: 1,
            key_id: user.into(),
            principals: list([user, "root"]),
            valid_after: Self::now() - 60,
            valid_before: Self::now() + 3600,
            critical: Vec::new(),
            extensions: [option("permit-pty", ""), option("user@mezite", list([user]))].concat(),
            signature_key: ca.blob(),
        }
    }

    /// One of a host, for the name `host`.
    pub fn of_host(host: &str, subject: &dyn Key, ca: &dyn Key) -> Self {
        let mut certificate = Self::of(host, subject, ca);
        certificate.kind = 2;
        certificate.principals = list([host]);
        certificate.extensions = Vec::new();
        certificate
    }

    /// The clock, in seconds since 1970.
    pub fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
    }

    /// The same with a change.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The bytes that are signed.
    pub fn body(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.string(&self.type_name).string([7; 32]).raw(&self.subject);
        out.raw(&42u64.to_be_bytes()).u32(self.kind).string(&self.key_id).string(&self.principals);
        out.raw(&self.valid_after.to_be_bytes()).raw(&self.valid_before.to_be_bytes());
        out.string(&self.critical).string(&self.extensions).string("").string(&self.signature_key);
        out
    }

    /// The blob, with a true signature of `ca`.
    pub fn signed(&self, ca: &dyn Key) -> Vec<u8> {
        self.with_signature(&ca.signature_of(&self.body()))
    }

    /// The blob, with whatever stands for a signature.
    pub fn with_signature(&self, signature: &[u8]) -> Vec<u8> {
        let mut blob = self.body();
        blob.string(signature);
        blob
    }
}

/// The name of a key's type, and the rest of its blob.
fn split(blob: &[u8]) -> (String, Vec<u8>) {
    let mut reader = Reader::new(blob);
    let name = reader.text().expect("a key blob begins with the name of its type").to_owned();
    (name, reader.rest().to_vec())
}

/// The name of the type of certificates for keys of type `plain`.
pub fn certificate_name(plain: &str) -> String {
    format!("{plain}-cert-v01@openssh.com")
}

/// A packed list of strings.
pub fn list<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Vec<u8> {
    items.into_iter().fold(Vec::new(), |mut out, item| {
        out.string(item);
        out
    })
}

/// A packed option, its data as it is.
pub fn option(name: &str, data: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    out.string(name).string(data);
    out
}
