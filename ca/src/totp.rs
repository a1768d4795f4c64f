//! Codes of authenticator apps (RFC 6238): SHA-1, six digits, half a minute, as every app has it.

use std::fmt::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use totp_rs::{Algorithm, Builder, Secret, Totp};
use zeroize::Zeroizing;

use crate::random::{self, RandomFailed};

/// Bytes of a secret: as long as a digest (RFC 4226 section 4).
const LENGTH: usize = 20;
/// Seconds of a step.
const STEP: u64 = 30;
/// Steps before and after the present one whose codes are taken.
const SKEW: u16 = 1;
const DIGITS: u8 = 6;

/// What an authenticator app and the gateway share. Wiped when dropped, never shown by `Debug`.
pub struct TotpSecret(Zeroizing<[u8; LENGTH]>);

impl TotpSecret {
    /// A fresh one.
    pub fn generate() -> Result<Self, RandomFailed> {
        Ok(Self(random::bytes()?))
    }

    /// One as it was kept; nothing where it has another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// Reads what [`base32`](Self::base32) wrote.
    pub fn from_base32(text: &str) -> Option<Self> {
        Self::from_bytes(Secret::try_from_base32(text).ok()?.as_bytes())
    }

    /// The bytes to keep.
    pub fn as_bytes(&self) -> &[u8] {
        &*self.0
    }

    /// The text that can be typed into an app.
    pub fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(Secret::new_stack(*self.0).to_base32())
    }

    /// The URI that apps read from a QR code. Neither name may have a colon; both are encoded.
    pub fn uri(&self, issuer: &str, account: &str) -> Zeroizing<String> {
        let (issuer, account) = (encoded(issuer), encoded(account));
        Zeroizing::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP}",
            *self.base32()
        ))
    }

    /// The code of a moment.
    pub fn code(&self, now: SystemTime) -> Zeroizing<String> {
        Zeroizing::new(self.totp().generate(seconds(now)).to_string())
    }

    /// The step whose code this is, of the present one and its neighbours. Each step is to be taken once: that is for
    /// the caller to hold.
    pub fn step_of(&self, code: &str, now: SystemTime) -> Option<u64> {
        self.totp().check(code, seconds(now))
    }

    fn totp(&self) -> Totp {
        let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(DIGITS).with_skew(SKEW);
        builder.with_step_duration(STEP).with_secret(Secret::new_stack(*self.0)).build_noncompliant()
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(…)")
    }
}

fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rfc() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890").unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn codes_are_those_of_rfc_6238_appendix_b() {
        // The appendix has eight digits; six are their end.
        for (moment, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(*rfc().code(at(moment)), code[2..], "at {moment}");
            assert_eq!(rfc().step_of(&code[2..], at(moment)), Some(moment / 30));
        }
    }

    #[test]
    fn a_code_is_taken_one_step_early_or_late_and_no_more() {
        let code = rfc().code(at(3000));
        for (moment, taken) in [(2969, false), (2970, true), (3029, true), (3059, true), (3060, false)] {
            assert_eq!(rfc().step_of(&code, at(moment)), taken.then_some(100), "at {moment}");
        }
        for wrong in ["", "1", "12345", "1234567", "12345a", "١٢٣٤٥٦", "      ", "+12345", "-12345"] {
            assert_eq!(rfc().step_of(wrong, at(3000)), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_read_back_and_not_shown() {
        let secret = TotpSecret::generate().unwrap();
        assert_eq!(TotpSecret::from_base32(&secret.base32()).unwrap().as_bytes(), secret.as_bytes());
        assert_eq!(format!("{secret:?}"), "TotpSecret(…)");
        assert!(TotpSecret::from_bytes(b"short").is_none());
        let uri = rfc().uri("test", "a+b@c");
        assert_eq!(
            *uri,
            "otpauth://totp/test:a%2Bb%40c?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=test\
             &algorithm=SHA1&digits=6&period=30"
        );
    }
}
