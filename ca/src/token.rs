//! Join and set-up tokens: shown once, kept as a digest, good for one use.
//!
//! `tok-<kind>-<22 base62>`. Printed for its holder it has half a CA pin behind it, which is for the client only and no
//! part of the token.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::random::{self, RandomFailed};

/// Characters of 128 bits in base62.
const LENGTH: usize = 22;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A bot's first certificates.
    Bot,
    /// A node's entry.
    Node,
    /// A person's password.
    User,
}

impl TokenKind {
    const ALL: [Self; 3] = [Self::Bot, Self::Node, Self::User];

    /// The word in the token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bot => "bot",
            Self::Node => "node",
            Self::User => "user",
        }
    }
}

/// Why a text is no token. What was given is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token: tok-bot-, tok-node- or tok-user- and 22 letters and digits")]
pub struct TokenError;

/// A token as its holder has it. Wiped when dropped, never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    kind: TokenKind,
    secret: Zeroizing<[u8; LENGTH]>,
}

impl Token {
    /// A fresh token of 128 random bits.
    pub fn generate(kind: TokenKind) -> Result<Self, RandomFailed> {
        let secret = digits(u128::from_be_bytes(*random::bytes::<16>()?));
        Ok(Self { kind, secret })
    }

    /// Reads a token. Case counts, and nothing may stand around it.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let (kind, secret) =
            text.strip_prefix("tok-").and_then(|rest| rest.split_once('-')).ok_or(TokenError)?;
        let kind = TokenKind::ALL.into_iter().find(|known| known.as_str() == kind).ok_or(TokenError)?;
        let secret = <[u8; LENGTH]>::try_from(secret.as_bytes()).map_err(|_| TokenError)?;
        if !secret.iter().all(u8::is_ascii_alphanumeric) {
            return Err(TokenError);
        }
        Ok(Self { kind, secret: Zeroizing::new(secret) })
    }

    /// What it is good for.
    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// Its text, for whoever may have it.
    pub fn secret(&self) -> Zeroizing<String> {
        let secret = std::str::from_utf8(&*self.secret).unwrap_or_default();
        Zeroizing::new(format!("tok-{}-{secret}", self.kind.as_str()))
    }

    /// What is kept of it.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.secret().as_bytes()).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tok-{}-…", self.kind.as_str())
    }
}

/// SHA-256 of a token. Two are compared in constant time.
#[derive(Clone, Copy, Debug)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The first half, by which a record is looked up: how long that takes says nothing about the second half.
    pub fn lookup(&self) -> &[u8] {
        self.0.get(..16).unwrap_or_default()
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for TokenDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenDigest {}

/// In 22 digits, the highest first.
fn digits(number: u128) -> Zeroizing<[u8; LENGTH]> {
    let mut text = Zeroizing::new([b'0'; LENGTH]);
    let mut short = Zeroizing::new([0; LENGTH]);
    let length = base62::encode_bytes(number, &mut *short).unwrap_or_default();
    if let (Some(end), Some(digits)) = (text.get_mut(LENGTH - length..), short.get(..length)) {
        end.copy_from_slice(digits);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_as_it_was_written() {
        for kind in TokenKind::ALL {
            let token = Token::generate(kind).unwrap();
            let text = token.secret();
            assert_eq!(text.len(), "tok--".len() + kind.as_str().len() + 22);
            let read = Token::parse(&text).unwrap();
            assert_eq!((read.kind(), read.digest()), (kind, token.digest()));
            assert_eq!(read.secret(), text);
        }
        assert_ne!(
            Token::generate(TokenKind::Bot).unwrap().digest(),
            Token::generate(TokenKind::Bot).unwrap().digest()
        );
    }

    #[test]
    fn hostile_073_a_token_has_one_spelling() {
        let good = "tok-bot-0123456789ABCDEFGHabcd";
        assert!(Token::parse(good).is_ok());
        assert_ne!(
            Token::parse(good).unwrap().digest(),
            Token::parse(&good.replace('A', "a")).unwrap().digest()
        );
        for bad in [
            "",
            "tok-bot-",
            " tok-bot-0123456789ABCDEFGHabcd",
            "tok-bot-0123456789ABCDEFGHabcd\n",
            "tok-bot-0123456789ABCDEFGHabc ",
            "tok-bot-0123456789ABCDEFGHabcde",
            "TOK-bot-0123456789ABCDEFGHabcd",
            "tok-Bot-0123456789ABCDEFGHabcd",
            "tok-root-0123456789ABCDEFGHabcd",
            "tok-bot-0123456789ABCDEFGHabc\u{e9}",
            "tok-bot-0123456789ABCDEFGHabcd.",
            "tok-bot-0123456789ABCDEFGHabcd.zzzzzzzzzzzzzzzzzzzzzz",
            "tok-bot-0123456789ABCDEFGHabcd.0000000000000000000000.",
        ] {
            assert_eq!(Token::parse(bad), Err(TokenError), "{bad:?}");
        }
    }

    #[test]
    fn hostile_074_a_token_is_not_in_its_debug_text() {
        let token = Token::generate(TokenKind::Bot).unwrap();
        assert_eq!(format!("{token:?}"), "tok-bot-…");
        let wrong = Token::parse("tok-bot-secretsecretsecretsecret").unwrap_err();
        assert!(!format!("{wrong}{wrong:?}").contains("secretsecret"));
    }
}
