//! Why an id token does not let anybody join. The audit has it; whoever shows the token does not.

use mezite_api::escape;
use mezite_store::AuditEntry;

/// What is wrong with an id token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is none, or one with headers that are not known here.
    Malformed,
    /// No bot asks for tokens of this issuer, or the named one does not.
    Issuer,
    /// The issuer has no such key.
    UnknownKey,
    /// The key is for another algorithm.
    Algorithm,
    /// It is signed by somebody else.
    Signature,
    /// It is for somebody else.
    Audience,
    /// It says something else than the bot asks for, or nothing.
    Claim {
        /// Which claim.
        name: String,
        /// What it says, where it does.
        found: Option<String>,
    },
    /// It does not say from when and until when it is valid.
    NoTime,
    /// It is not valid any more.
    Expired,
    /// It is not valid yet.
    NotYet,
    /// It is valid for longer than a token may be.
    TooLong,
    /// It was used.
    Spent,
    /// Several bots take it, and none was named.
    Ambiguous,
    /// The issuer's keys cannot be had.
    NoKeys(String),
}

impl Fault {
    /// The word for the audit.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Issuer => "issuer",
            Self::UnknownKey => "unknown_key",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Audience => "audience",
            Self::Claim { .. } => "claim",
            Self::NoTime => "no_time",
            Self::Expired => "expired",
            Self::NotYet => "not_yet_valid",
            Self::TooLong => "valid_too_long",
            Self::Spent => "spent",
            Self::Ambiguous => "ambiguous",
            Self::NoKeys(_) => "issuer_unreachable",
        }
    }

    /// Adds what belongs to the reason to its event.
    pub fn describe(&self, event: AuditEntry) -> AuditEntry {
        match self {
            Self::Claim { name, found: Some(found) } => {
                event.with("claim", escape(name)).with("found", escape(found))
            }
            Self::Claim { name, found: None } => event.with("claim", escape(name)),
            Self::NoKeys(why) => event.with("error", escape(why)),
            _ => event,
        }
    }
}
