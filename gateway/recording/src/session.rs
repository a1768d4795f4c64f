//! The name of a session, and so of its recording.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Identifies a session: 128 random bits, made by the gateway and by nobody else.
///
/// Its text is a lower-case UUID. Only that, and the same 32 digits without hyphens, parse: so a session id that
/// came from outside can never be a path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId([u8; 16]);

/// The text is not a session id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a session id: 32 lower-case hexadecimal digits, or a lower-case UUID, were expected")]
pub struct InvalidSessionId;

impl SessionId {
    /// A session id of 16 bytes that the caller has drawn from its random generator.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, InvalidSessionId> {
        let hyphenated = match text.len() {
            36 => true,
            32 => false,
            _ => return Err(InvalidSessionId),
        };
        let mut value = 0_u128;
        for (place, byte) in text.bytes().enumerate() {
            if hyphenated && matches!(place, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return Err(InvalidSessionId);
                }
                continue;
            }
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                _ => return Err(InvalidSessionId),
            };
            value = value << 4 | u128::from(digit);
        }
        Ok(Self(value.to_be_bytes()))
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

    #[test]
    fn both_forms_name_the_same_session() {
        let id: SessionId = TEXT.parse().unwrap();
        assert_eq!(id.to_string(), TEXT);
        assert_eq!(TEXT.replace('-', "").parse(), Ok(id));
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{TEXT}\""));
        assert_eq!(serde_json::from_str::<SessionId>(&format!("\"{TEXT}\"")).unwrap(), id);
    }

    #[test]
    fn hostile_035_only_session_ids_parse() {
        let foreign = [
            "",
            "../x",
            "..%2f",
            "..%2f..%2f..%2f..%2f..%2f..%2fetc%2f",
            "/etc/passwd/0123456789abcdef01234",
            "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f\0",
            "0f1e2d3c4b5a69788796a5b4c3d2e1f\0",
            "0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0",
            "0f1e2d3c/4b5a/6978/8796/a5b4c3d2e1f0",
            "0f1e2d3c-4b5a-6978-8796a-5b4c3d2e1f0",
            "../../../../../../../../../../../x",
            "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0.mezrec",
            " f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
            "+f1e2d3c4b5a69788796a5b4c3d2e1f0",
            "éééééééééééééééé",
        ];
        for text in foreign {
            assert_eq!(text.parse::<SessionId>(), Err(InvalidSessionId), "{text:?}");
        }
    }
}
