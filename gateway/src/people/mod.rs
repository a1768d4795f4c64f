//! How people get their password and second factor, and how they log in.
//!
//! Whoever fails learns that, and not why: an unknown user, one without a password and one who is locked cost the time
//! of a wrong password and read the same.

mod attempts;
mod grace;
mod hashing;
mod login;
mod second_factor;
mod secrets;
mod setup;

use std::net::IpAddr;

use mezite_api::{Problem, ProblemCode, UserName};
use mezite_store::AuditEntry;

use crate::connection::Services;
use crate::http::problem;
use crate::inventory::Refusal;
use attempts::Attempts;
use grace::Grace;
use hashing::Hashing;

pub use login::login;
pub use second_factor::{CodeRefusal, SecondFactor};
pub use setup::{begin, confirm};

/// What logging in and second factors are held by.
#[derive(Default)]
pub struct People {
    attempts: Attempts,
    hashing: Hashing,
    grace: Grace,
}

/// Nothing is issued to a person who is locked, disabled or gone. Audited before it is said.
async fn not_issued(services: &Services, user: &UserName, source: IpAddr, refusal: &Refusal) -> Problem {
    let event = AuditEntry::new("cert.refuse")
        .with("actor", user.as_str())
        .with("subject", user.as_str())
        .with("outcome", "refused")
        .with("source", source.to_string())
        .with("reason", refusal.reason());
    services.shared.auditor.record_refusal(event).await;
    match refusal {
        Refusal::Locked(message) => problem::locked(user.as_str(), message.as_deref()),
        Refusal::UnknownUser => {
            Problem::new(ProblemCode::Forbidden, format!("there is no user {user} any more"))
        }
        Refusal::Disabled => Problem::new(ProblemCode::Forbidden, format!("{user} is disabled")),
        Refusal::NoRoles => Problem::new(ProblemCode::Forbidden, format!("{user} has no roles")),
        other => Problem::new(ProblemCode::Unavailable, other.user_line(user)),
    }
}
