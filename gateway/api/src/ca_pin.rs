//! The CA pin: how a client that was told nothing else knows the gateway.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::ParsedCertificate;
use sha2::{Digest as _, Sha256};

use crate::Invalid;

/// How many digits 128 bits have in base 62.
const SUFFIX_LENGTH: usize = 22;

/// SHA-256 over the DER `SubjectPublicKeyInfo` of the TLS CA, or its first half, as join tokens carry it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CaPin {
    /// `sha256:` and 64 hex digits.
    Whole([u8; 32]),
    /// The first 128 bits, 22 digits in base 62.
    Half([u8; 16]),
}

impl CaPin {
    /// The pin of a DER `SubjectPublicKeyInfo`.
    pub fn of_spki(der: &[u8]) -> Self {
        Self::Whole(Sha256::digest(der).into())
    }

    /// Whether this is the pin of that key.
    pub fn matches(&self, spki: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(spki).into();
        match self {
            Self::Whole(pin) => *pin == digest,
            Self::Half(pin) => digest.starts_with(pin),
        }
    }

    /// The pin of the key of the first certificate in PEM; nothing where there is none.
    pub fn of_pem(pem: &[u8]) -> Option<Self> {
        let certificate = CertificateDer::from_pem_slice(pem).ok()?;
        let parsed = ParsedCertificate::try_from(&certificate).ok()?;
        Some(Self::of_spki(&parsed.subject_public_key_info()))
    }

    /// Whether this is the pin of that certificate's key.
    pub fn is_of(&self, certificate: &CertificateDer<'_>) -> bool {
        let parsed = ParsedCertificate::try_from(certificate);
        parsed.is_ok_and(|parsed| self.matches(&parsed.subject_public_key_info()))
    }

    /// The first half in base 62, as it stands behind the dot of a token.
    pub fn suffix(&self) -> String {
        format!("{:0>SUFFIX_LENGTH$}", base62::encode(u128::from_be_bytes(self.half())))
    }

    /// The pin behind the dot of a token.
    pub fn from_suffix(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("token", "must end in a dot and the 22 characters of the CA pin");
        if text.len() != SUFFIX_LENGTH {
            return Err(invalid());
        }
        // An empty number is none to the decoder, and leading zeros are nothing.
        let number = base62::decode(text).map_err(|_| invalid())?;
        Ok(Self::Half(number.to_be_bytes()))
    }

    fn half(&self) -> [u8; 16] {
        match self {
            Self::Whole(pin) => pin.first_chunk().copied().unwrap_or_default(),
            Self::Half(pin) => *pin,
        }
    }
}

impl fmt::Display for CaPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(pin) => {
                f.write_str("sha256:")?;
                pin.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Half(_) => write!(f, "sha256 beginning with {}", self.suffix()),
        }
    }
}

impl fmt::Debug for CaPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CaPin {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid =
            || Invalid::new("ca_pin", "must be sha256: and 64 hex digits, as 'mezctl status' prints it");
        let hex = text.strip_prefix("sha256:").ok_or_else(invalid)?;
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        let mut digest = [0; 32];
        for (byte, digits) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| invalid())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| invalid())?;
        }
        Ok(Self::Whole(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_written_and_read() {
        let pin = CaPin::of_spki(b"key");
        assert_eq!(pin.to_string().parse(), Ok(pin));
        let half = CaPin::from_suffix(&pin.suffix()).unwrap();
        assert_eq!((half.suffix(), pin.suffix().len()), (pin.suffix(), 22));
        for pin in [pin, half] {
            assert!(pin.matches(b"key") && !pin.matches(b"kez"));
        }
        let highest = CaPin::Half([0xff; 16]);
        assert_eq!(CaPin::from_suffix(&highest.suffix()), Ok(highest));
    }

    #[test]
    fn what_is_no_pin_is_refused() {
        for text in ["", "sha256:", "sha256:+f", "sha1:00", &"0".repeat(64)] {
            assert!(text.parse::<CaPin>().is_err(), "{text}");
        }
        for text in ["", "0", &"z".repeat(22), &"-".repeat(22), &"0".repeat(23)] {
            assert!(CaPin::from_suffix(text).is_err(), "{text}");
        }
    }
}
