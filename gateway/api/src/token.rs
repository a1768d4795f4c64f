//! Join and set-up tokens as administrators see them: never the secret, but for the one answer that brings it.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bot::{MAX_TOKEN_TTL, TokenState};
use crate::{Invalid, Labels, SecretText, UserName, duration};

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// A bot's first certificates.
    Bot,
    /// A node's entry.
    Node,
    /// A person's password.
    User,
}

impl TokenType {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bot => "bot",
            Self::Node => "node",
            Self::User => "user",
        }
    }
}

/// The types that are made by themselves: those for bots and people are made with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FreeTokenType {
    /// A node's entry.
    #[default]
    Node,
}

/// Asks for a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenAdd {
    /// What it is to be good for.
    #[serde(rename = "type")]
    pub token_type: FreeTokenType,
    /// How long it is good; an hour when it is not said.
    #[serde(default, with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// Labels that the node gets, whatever it says itself.
    #[serde(default)]
    pub labels: Labels,
}

impl TokenAdd {
    /// Checks what the fields alone cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        match self.ttl {
            Some(ttl) if ttl > MAX_TOKEN_TTL => Err(Invalid::new("ttl", "must be at most 30 days")),
            _ => Ok(()),
        }
    }
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    /// Its name in lists and events; nobody can join with it.
    pub id: Uuid,
    /// What it is good for.
    #[serde(rename = "type")]
    pub token_type: TokenType,
    /// The bot or the person that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<UserName>,
    /// The labels that a node gets with it.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Whether it can still be used.
    pub state: TokenState,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it can be used.
    pub expires: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Its one use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<TokenUsed>,
}

/// The one use of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsed {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub source: IpAddr,
    /// What came of it: the instance, the node, the person.
    pub made: Uuid,
}

/// A fresh token: the only time that it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenIssued {
    /// What is known of it.
    #[serde(flatten)]
    pub info: TokenInfo,
    /// The token with the gateway's pin behind it.
    pub token: SecretText,
    /// What `--server` is to be.
    pub server: String,
    /// The pin of the gateway's TLS CA.
    pub ca_pin: String,
}
