//! The CA pin: how a client that was told nothing else knows the gateway.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use x509_parser::prelude::FromDer as _;

/// SHA-256 over the DER `SubjectPublicKeyInfo` of the TLS CA, written `sha256:` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CaPin([u8; 32]);

/// Why something gives no pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// The text is no pin.
    #[error("a CA pin is 'sha256:' and 64 hex digits")]
    Text,
    /// The bytes are no certificate.
    #[error("not an X.509 certificate")]
    Certificate,
}

impl CaPin {
    /// The pin of a certificate's key.
    pub fn of_certificate(der: &[u8]) -> Result<Self, PinError> {
        let (rest, certificate) =
            x509_parser::certificate::X509Certificate::from_der(der).map_err(|_| PinError::Certificate)?;
        if !rest.is_empty() {
            return Err(PinError::Certificate);
        }
        Ok(Self::of_spki(certificate.public_key().raw))
    }

    /// The pin of a DER `SubjectPublicKeyInfo`.
    pub fn of_spki(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// The digest; join tokens carry its first 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for CaPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CaPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CaPin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let hex = text.strip_prefix("sha256:").ok_or(PinError::Text)?;
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(PinError::Text);
        }
        let mut digest = [0; 32];
        for (byte, digits) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| PinError::Text)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| PinError::Text)?;
        }
        Ok(Self(digest))
    }
}
