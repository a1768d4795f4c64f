//! Revocations: certificates and keys that are not believed any more, although they have not ended.

use std::num::NonZeroU64;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ESCAPED_MAX_CHARS, Invalid, UserKey, UserName};

/// The longest reason, in characters.
pub const MAX_REASON_CHARS: usize = ESCAPED_MAX_CHARS;

/// What is revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationTarget {
    /// The user certificate of this number, and the client certificate that was issued with it.
    Serial(NonZeroU64),
    /// A key: every certificate for it.
    Key(UserKey),
    /// All certificates that a person or a bot has got up to then.
    User(UserName),
}

/// A revocation that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Its name.
    pub id: Uuid,
    /// What it is about.
    pub target: RevocationTarget,
    /// Where that is a key: its fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Where that is a user: certificates that were issued before then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<Timestamp>,
    /// Whose certificate it is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<UserName>,
    /// How many certificates it names by their numbers in the list for sshd.
    pub certificates: usize,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When the last certificate that it is about has ended; keys are revoked for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// Asks for a revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationAdd {
    /// What to revoke.
    pub target: RevocationTarget,
    /// Why, for administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl RevocationAdd {
    /// Checks what the fields alone cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        match &self.reason {
            Some(reason) if reason.chars().count() > MAX_REASON_CHARS => {
                Err(Invalid::new("reason", format!("must be at most {MAX_REASON_CHARS} characters")))
            }
            _ => Ok(()),
        }
    }
}
