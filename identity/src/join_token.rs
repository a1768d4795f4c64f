//! The join token as it is printed: the token, and behind a dot half the pin of the gateway's TLS CA, so that a client
//! knows the gateway before it tells it anything.

use mezite_api::CaPin;
use mezite_ca::{Token, TokenKind};

use crate::IdentityError;

/// A token, and whom to show it to.
#[derive(Debug, Clone)]
pub struct JoinToken {
    /// The token itself.
    pub token: Token,
    /// The gateway's pin, where it came along.
    pub pin: Option<CaPin>,
}

impl JoinToken {
    /// Reads one for a bot. Errors do not repeat it.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        Self::parse_for(TokenKind::Bot, "--join-token", text)
    }

    /// Reads one of this kind, which `flag` has given.
    pub fn parse_for(kind: TokenKind, flag: &str, text: &str) -> Result<Self, IdentityError> {
        let usage = |why: &dyn std::fmt::Display| IdentityError::Usage(format!("{flag}: {why}"));
        let text = text.trim_end_matches(['\n', '\r']);
        let (text, suffix) = match text.split_once('.') {
            Some((text, suffix)) => (text, Some(suffix)),
            None => (text, None),
        };
        let token = Token::parse(text).map_err(|error| usage(&error))?;
        let pin = suffix.map(CaPin::from_suffix).transpose();
        let pin = pin.map_err(|invalid| usage(&invalid.reason))?;
        if token.kind() == kind {
            return Ok(Self { token, pin });
        }
        let (other, wanted) = (token.kind().as_str(), kind.as_str());
        Err(usage(&format!("this is a token for a {other}; a {wanted}'s begins with tok-{wanted}-")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "tok-bot-0123456789ABCDEFGHabcd";

    #[test]
    fn the_pin_stands_behind_the_dot() {
        let pin = CaPin::of_spki(b"a key");
        let read = JoinToken::parse(&format!("{TOKEN}.{}\n", pin.suffix())).unwrap();
        assert_eq!(*read.token.secret(), TOKEN);
        assert!(read.pin.unwrap().matches(b"a key"));
        assert!(JoinToken::parse(TOKEN).unwrap().pin.is_none());
    }

    #[test]
    fn hostile_073_a_join_token_has_one_spelling() {
        for suffix in [".", ".zzzzzzzzzzzzzzzzzzzzzz", ".0000000000000000000000.", ".000"] {
            let error = JoinToken::parse(&format!("{TOKEN}{suffix}")).unwrap_err().to_string();
            assert!(!error.contains("0123456789"), "{error}");
        }
    }
}
