//! Public keys of TLS clients, as PEM.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Invalid;

/// Longest PEM text, in bytes; the keys that are certified have much less.
const MAX_PEM: usize = 4096;

/// A DER `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7), written as PEM `PUBLIC KEY`. Which types of key are
/// certified is for the CA to say.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsPublicKey(Vec<u8>);

impl TlsPublicKey {
    /// Reads PEM.
    pub fn parse(pem: &str) -> Result<Self, Invalid> {
        // What it holds may be a private key by mistake: it is never repeated.
        let invalid = || Invalid::new("tls_public_key", "must be PEM of type PUBLIC KEY");
        if pem.len() > MAX_PEM {
            return Err(invalid());
        }
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map_err(|_| invalid())?;
        Ok(Self(der.as_ref().to_vec()))
    }

    /// A key that is DER already.
    pub fn from_der(der: &[u8]) -> Self {
        Self(der.to_vec())
    }

    /// The key as DER.
    pub fn into_der(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Display for TlsPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode("PUBLIC KEY", &self.0))
    }
}

impl fmt::Debug for TlsPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsPublicKey").field(&STANDARD.encode(&self.0)).finish()
    }
}

impl Serialize for TlsPublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TlsPublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pem = String::deserialize(deserializer)?;
        Self::parse(&pem).map_err(serde::de::Error::custom)
    }
}

/// A certificate as PEM (RFC 7468).
pub fn pem(der: &[u8]) -> String {
    encode("CERTIFICATE", der)
}

fn encode(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYHMDdZfm+v9+dkb39bPhq3Ev3iQU\n\
                       1nv7X6y1zX0gJ4qVYmYJ9oR9yT1r9xkPp3N9pP5qH1cB8rC0m1nq0g7gEA==\n-----END PUBLIC KEY-----\n";

    #[test]
    fn keys_are_read_and_written_as_pem() {
        let key = TlsPublicKey::parse(KEY).unwrap();
        assert_eq!(key.to_string(), KEY);
    }

    #[test]
    fn what_is_no_public_key_is_refused_and_not_repeated() {
        let private = KEY.replace("PUBLIC", "PRIVATE");
        for text in ["", "x", private.as_str(), &KEY.replace("-----END", "----"), &"x".repeat(5000)] {
            let refused = TlsPublicKey::parse(text).unwrap_err();
            assert!(!refused.to_string().contains("MFkw"), "{refused}");
        }
    }
}
