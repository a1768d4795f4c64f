//! `identity.json`: what an identity says about itself.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mezite_api::{UserName, duration};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The form that this program writes.
pub const VERSION: u32 = 1;

/// What lies in `identity.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The version of this form: 1.
    pub version: u32,
    /// Where certificates come from, `HOST:PORT`.
    pub auth_server: String,
    /// Where SSH and `CONNECT` are served, `HOST:PORT`.
    pub gateway: String,
    /// The cluster.
    pub cluster: String,
    /// The bot.
    pub bot: UserName,
    /// The instance.
    pub instance: Uuid,
    /// The generation of the certificates.
    pub generation: u64,
    /// When the certificates were given out, by this machine's clock.
    pub renewed: Timestamp,
    /// When the next ones are due, by this machine's clock.
    pub renew_at: Timestamp,
    /// When the certificates end, by the gateway's clock.
    pub valid_before: Timestamp,
    /// How many seconds the gateway's clock was ahead of this machine's.
    pub clock_offset: i64,
    /// How long after their end the certificates can still be renewed.
    #[serde(with = "duration::text")]
    pub recovery_window: Duration,
    /// When the key was made.
    pub key_created: Timestamp,
    /// Whom the gateway's certificate must be of.
    pub trusted: Trusted,
}

/// Whom the gateway's certificate must be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trusted {
    /// The cluster's own TLS CA, which was pinned at the first contact.
    Cluster,
    /// A CA that this system trusts.
    System,
}

impl Record {
    /// When the certificates end, by this machine's clock.
    pub fn expires(&self) -> Timestamp {
        let offset = SignedDuration::from_secs(self.clock_offset);
        self.valid_before.saturating_sub(offset).unwrap_or(self.valid_before)
    }

    /// Whether the certificates have ended.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires()
    }

    /// Whether they have ended for so long that the gateway will not renew them any more.
    pub fn is_dead(&self, now: Timestamp) -> bool {
        let window = SignedDuration::try_from(self.recovery_window).unwrap_or(SignedDuration::MAX);
        self.expires().saturating_add(window).is_ok_and(|end| now >= end)
    }

    /// How long the certificates live, from when they were given out.
    pub fn lifetime(&self) -> Duration {
        self.expires().duration_since(self.renewed).try_into().unwrap_or(Duration::ZERO)
    }
}
