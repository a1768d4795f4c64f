//! Reading a request body: JSON in, a checked request or a problem out.

use serde::de::DeserializeOwned;

use crate::{Problem, ProblemCode};

/// The longest body, in bytes (design section 8).
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Reads a body. The problem names the field where it can be told; what was given is not repeated.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.len() > MAX_BODY_BYTES {
        return Err(Problem::new(ProblemCode::TooLarge, "the body is larger than 1 MiB"));
    }
    // A list of values without their names would be taken for a structure, too.
    if body.trim_ascii_start().first().is_some_and(|byte| *byte == b'[') {
        return Err(Problem::new(ProblemCode::Invalid, "the body must be a JSON object"));
    }
    crate::json::parse(body)
}

#[cfg(test)]
mod tests {
    use super::{MAX_BODY_BYTES, parse};
    use crate::certificate::SignRequest;
    use crate::lock::LockAdd;
    use crate::user::{UserAdd, UserUpdate};
    use crate::{Problem, ProblemCode};

    #[test]
    fn bodies_are_bounded_and_whole() {
        let long = vec![b' '; MAX_BODY_BYTES + 1];
        assert_eq!(parse::<UserAdd>(&long).unwrap_err().code, ProblemCode::TooLarge);
        let deep = format!("{{\"name\":{}", "[".repeat(100_000));
        for body in [
            &b""[..],
            b"{",
            b"\xef\xbb\xbf{\"name\":\"a\"}",
            b"{\"name\":\"a\"} x",
            b"[]",
            b" [\"alice\", []]",
            deep.as_bytes(),
        ] {
            assert_eq!(parse::<UserAdd>(body).unwrap_err().code, ProblemCode::Invalid);
        }
        assert!(parse::<UserAdd>(b"{\"name\":\"Alice\"}").is_ok_and(|add| add.name.as_str() == "alice"));
    }

    #[test]
    fn missing_unknown_and_repeated_fields_are_named() {
        for (body, field) in [
            (&br#"{"roles":[]}"#[..], "name"),
            (br#"{"name":"a","admin":true}"#, "admin"),
            (br#"{"name":"a","name":"b"}"#, "name"),
            (br#"{"name":"a b"}"#, "user"),
            (br#"{"name":"a","logins":["-x"]}"#, "login"),
            (br#"{"name":"a","roles":["../x"]}"#, "role"),
        ] {
            assert_eq!(parse::<UserAdd>(body).unwrap_err().field.as_deref(), Some(field));
        }
    }

    #[test]
    fn what_is_wrong_is_shown_escaped() {
        let problem = parse::<UserAdd>("{\"\\u001b[31m\u{202e}\":1}".as_bytes()).unwrap_err();
        assert!(!problem.detail.contains(|c: char| c.is_control() || c == '\u{202e}'), "{problem}");
    }

    #[test]
    fn users_and_locks_have_limits() {
        let traits = |name: &str, value: &str| {
            let body = serde_json::json!({ "traits": { name: [value] } }).to_string();
            parse::<UserUpdate>(body.as_bytes()).unwrap().check()
        };
        assert!(traits("team", "dba").is_ok());
        assert!(traits("a.b", "dba").is_err());
        assert!(traits("team", "a\nb").is_err());
        assert!(traits("team", &"x".repeat(257)).is_err());
        let lock = parse::<LockAdd>(br#"{"target":{"user":"Alice"},"ttl":"1h","message":"gone"}"#).unwrap();
        assert!(lock.check().is_ok());
        assert!(LockAdd { message: Some("x".repeat(201)), ..lock }.check().is_err());
        assert!(parse::<LockAdd>(br#"{"target":{"user":"a"},"ttl":"0s"}"#).is_err());
    }

    #[test]
    fn a_private_key_in_a_request_is_not_repeated() {
        let body = br#"{"user":"a","public_key":"-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0"}"#;
        let problem = parse::<SignRequest>(body).unwrap_err();
        assert_eq!(problem.field.as_deref(), Some("public_key"));
        assert!(!serde_json::to_string(&problem).unwrap().contains("c2VjcmV0"));
    }

    #[test]
    fn problems_read_back_as_they_were_written() {
        let problem = Problem::new(ProblemCode::HostKeyMismatch, "no").with_field("host_keys");
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["code"], "host_key_mismatch");
        assert_eq!(json["type"], "urn:mezite:problem:host_key_mismatch");
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
        // A newer gateway may know codes that this client does not.
        let newer = r#"{"type":"t","title":"t","status":418,"detail":"d","code":"teapot"}"#;
        assert_eq!(serde_json::from_str::<Problem>(newer).unwrap().code, ProblemCode::Internal);
    }
}
