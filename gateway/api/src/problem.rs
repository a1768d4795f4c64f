//! Problems: how the API says that something was not done (RFC 9457).

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// `urn:mezite:problem:` and the code.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The code in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, for a person; outside text in it is escaped.
    pub detail: String,
    /// What happened, for programs.
    pub code: ProblemCode,
    /// The field of the request that is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// After how many seconds it makes sense to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// What happened, in words that do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// The request is malformed; `field` says where.
    Invalid,
    /// The caller did not prove who it is.
    Unauthenticated,
    /// The caller's roles do not permit it.
    Forbidden,
    /// A lock is in force.
    Locked,
    /// There is no such thing, or the caller may not know of it.
    NotFound,
    /// Something of this name exists, or it changed meanwhile.
    Conflict,
    /// The node shows another host key than the one given.
    HostKeyMismatch,
    /// The body is too large.
    TooLarge,
    /// Too many requests.
    Throttled,
    /// A node could not be reached.
    Unreachable,
    /// The gateway cannot do it now: starting, stopping, overloaded or its audit store cannot be written.
    Unavailable,
    /// The store is full.
    StoreFull,
    /// A defect of the gateway; its log has the details.
    #[serde(other)]
    Internal,
}

impl ProblemCode {
    /// The HTTP status that goes with it.
    pub fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden | Self::Locked => 403,
            Self::NotFound => 404,
            Self::Conflict | Self::HostKeyMismatch => 409,
            Self::TooLarge => 413,
            Self::Throttled => 429,
            Self::Internal => 500,
            Self::Unreachable => 502,
            Self::Unavailable => 503,
            Self::StoreFull => 507,
        }
    }

    /// The code as it is written in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Locked => "locked",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::HostKeyMismatch => "host_key_mismatch",
            Self::TooLarge => "too_large",
            Self::Throttled => "throttled",
            Self::Unreachable => "unreachable",
            Self::Unavailable => "unavailable",
            Self::StoreFull => "store_full",
            Self::Internal => "internal",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Invalid => "Invalid request",
            Self::Unauthenticated => "Not authenticated",
            Self::Forbidden => "Not permitted",
            Self::Locked => "Locked",
            Self::NotFound => "Not found",
            Self::Conflict => "Conflict",
            Self::HostKeyMismatch => "Host key mismatch",
            Self::TooLarge => "Request too large",
            Self::Throttled => "Too many requests",
            Self::Unreachable => "Node unreachable",
            Self::Unavailable => "Not available now",
            Self::StoreFull => "Store full",
            Self::Internal => "Internal error",
        }
    }
}

impl Problem {
    /// A problem with its detail.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            problem_type: format!("urn:mezite:problem:{}", code.as_str()),
            title: code.title().into(),
            status: code.status(),
            detail: detail.into(),
            code,
            field: None,
            retry_after: None,
        }
    }

    /// The same problem, which may be gone after so many seconds.
    #[must_use]
    pub fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The same problem, blamed on a field.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::new(ProblemCode::Invalid, invalid.to_string()).with_field(invalid.field)
    }
}
