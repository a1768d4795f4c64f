//! Bots: machine identities, their instances, and how these get their certificates (semantics section 5).

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::lock::LockAdd;
use crate::oidc::{IdTokenSubject, OidcTrust};
use crate::reusable::Reusable;
use crate::user::{MAX_ROLES, Traits, check_logins, check_traits};
use crate::{Invalid, LockTarget, Login, RoleName, SecretText, UserKey, UserName, duration};

/// How long a certificate of a bot lives where nothing else is said.
pub const DEFAULT_TTL: Duration = Duration::from_hours(1);
/// How long a join token is good where nothing else is said.
pub const DEFAULT_TOKEN_TTL: Duration = Duration::from_hours(1);
/// The longest life of a join token.
pub const MAX_TOKEN_TTL: Duration = Duration::from_hours(30 * 24);
/// The longest proof of possession, in bytes.
pub const MAX_PROOF_BYTES: usize = 4096;

/// A bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bot {
    /// The identity. A bot that is made again under an old name is another one.
    pub id: Uuid,
    /// The name, unique among people and bots.
    pub name: UserName,
    /// The roles by name.
    pub roles: Vec<RoleName>,
    /// What `{{internal.logins}}` stands for.
    #[serde(default)]
    pub logins: Vec<Login>,
    /// What `{{trait.NAME}}` stands for.
    #[serde(default)]
    pub traits: Traits,
    /// How long its certificates live, where the roles do not say less.
    #[serde(with = "duration::text")]
    pub ttl: Duration,
    /// A disabled bot is refused everything.
    pub disabled: bool,
    /// Whether a lock on the bot is in force.
    pub locked: bool,
    /// Its join token, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<BotToken>,
    /// Whose id tokens it joins with, where it joins with those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<OidcTrust>,
    /// How many instances there are.
    pub instances: usize,
    /// When it was made.
    pub created: Timestamp,
    /// The store's revision of the last change.
    pub revision: u64,
}

/// What is known of a join token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotToken {
    /// Whether it can still be used.
    pub state: TokenState,
    /// Until when.
    pub expires: Timestamp,
    /// How often, and from where, where it is for several uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reusable: Option<Reusable>,
    /// How many uses are left of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses_left: Option<u32>,
}

/// What has become of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenState {
    /// It waits to be used.
    Open,
    /// It was used.
    Spent,
    /// It was not used in time.
    Expired,
}

/// Asks for a new bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BotAdd {
    /// The name.
    pub name: UserName,
    /// The roles; each must exist.
    pub roles: Vec<RoleName>,
    /// How long the join token is good; an hour when it is not said.
    #[serde(default, with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub token_ttl: Option<Duration>,
    /// How long its certificates live; an hour when it is not said, and never longer than the roles say.
    #[serde(default, with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// Let the token be used several times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reusable: Option<Reusable>,
    /// Whose id tokens it joins with, in the place of a join token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<OidcTrust>,
}

impl BotAdd {
    /// Checks what the fields alone cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        check_bot_roles(&self.roles)?;
        check_token_ttl(self.token_ttl)?;
        match &self.oidc {
            Some(_) if self.token_ttl.is_some() || self.reusable.is_some() => Err(Invalid::new(
                "token_ttl",
                "and reusable are for a join token; this bot joins with id tokens",
            )),
            Some(trust) => trust.check(),
            None => self.reusable.as_ref().map_or(Ok(()), Reusable::check),
        }
    }
}

/// Asks for a bot to be made or replaced as it is described, without a join token: one that is there stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BotPut {
    /// The roles; each must exist.
    pub roles: Vec<RoleName>,
    /// What `{{internal.logins}}` stands for.
    #[serde(default)]
    pub logins: Vec<Login>,
    /// What `{{trait.NAME}}` stands for.
    #[serde(default)]
    pub traits: Traits,
    /// How long its certificates live; an hour when it is not said, and never longer than the roles say.
    #[serde(default, with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// Refused everything until that is changed.
    #[serde(default)]
    pub disabled: bool,
    /// Whose id tokens a new bot joins with. Of a bot that exists it stays; another one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<OidcTrust>,
    /// Replace a bot of this name; otherwise one that exists is a conflict.
    #[serde(default)]
    pub replace: bool,
    /// Only when the bot is still at this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

impl BotPut {
    /// Checks what the fields alone cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.revision.is_some() && !self.replace {
            return Err(Invalid::new("revision", "is only for replacing a bot"));
        }
        check_bot_roles(&self.roles)?;
        self.oidc.as_ref().map_or(Ok(()), OidcTrust::check)?;
        check_logins(&self.logins)?;
        check_traits(&self.traits)
    }
}

fn check_bot_roles(roles: &[RoleName]) -> Result<(), Invalid> {
    if roles.is_empty() || roles.len() > MAX_ROLES {
        return Err(Invalid::new("roles", format!("must be 1 to {MAX_ROLES}")));
    }
    Ok(())
}

pub(crate) fn check_token_ttl(ttl: Option<Duration>) -> Result<(), Invalid> {
    match ttl {
        Some(ttl) if ttl > MAX_TOKEN_TTL => Err(Invalid::new("token_ttl", "must be at most 30 days")),
        _ => Ok(()),
    }
}

/// A bot, and how it joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotIssued {
    /// The bot.
    pub bot: Bot,
    /// Its join token, unless it joins with id tokens.
    #[serde(flatten)]
    pub token: Option<IssuedToken>,
    /// What `--auth-server` is to be.
    pub auth_server: String,
    /// What `--ca-pin` is to be, where no token brings it along.
    pub ca_pin: String,
}

/// A fresh join token: the only time that it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedToken {
    /// The token with the gateway's pin behind it.
    pub token: SecretText,
    /// Until when it can be used.
    pub expires: Timestamp,
}

/// Asks for a new join token in the place of the old one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRotate {
    /// How long it is good; an hour when it is not said.
    #[serde(default, with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub token_ttl: Option<Duration>,
    /// Remove the instances that there are, too.
    #[serde(default)]
    pub revoke: bool,
    /// Let it be used several times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reusable: Option<Reusable>,
}

impl TokenRotate {
    /// Checks what the fields alone cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        check_token_ttl(self.token_ttl)?;
        self.reusable.as_ref().map_or(Ok(()), Reusable::check)
    }
}

/// Asks for a lock on a bot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BotLock {
    /// How long; for ever when it is not said.
    #[serde(default, with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// What to show to whom it cuts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl BotLock {
    /// The lock itself.
    pub fn on(self, bot: UserName) -> LockAdd {
        LockAdd { ttl: self.ttl, message: self.message, ..LockAdd::on(LockTarget::Bot(bot)) }
    }
}

/// Asks for the end of the locks on a bot, or on one of its instances.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BotUnlock {
    /// The instance; the bot itself when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Uuid>,
}

/// One lineage of certificates, from its join on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotInstance {
    /// Its id, which its certificates carry.
    pub id: Uuid,
    /// The bot.
    pub bot: UserName,
    /// The generation that is in use; zero before the first use.
    pub generation: u64,
    /// The generation that was given out and not used yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<u64>,
    /// Until when the newest certificate is valid.
    pub expires: Timestamp,
    /// When it joined.
    pub joined: Timestamp,
    /// And from where.
    pub joined_from: IpAddr,
    /// Who the id token said that it is, where it joined with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined_as: Option<IdTokenSubject>,
    /// When a certificate was last given out or confirmed.
    pub last_seen: Timestamp,
    /// And from where it was asked for.
    pub last_source: IpAddr,
    /// Whether a lock on the instance is in force.
    pub locked: bool,
}

/// Asks for the first certificates of a new instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// The join token, without its suffix.
    pub token: SecretText,
    /// The key to certify.
    pub public_key: UserKey,
    /// An SSH signature by that key (`mezite_ca::Statement`).
    pub proof: String,
    /// Made by the client: the same request with the same key has the same answer for ten minutes.
    pub request: Uuid,
    /// How often the client means to renew: refused, before the token is spent, where certificates live no longer.
    #[serde(default, with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub renewal_interval: Option<Duration>,
}

/// Asks for the certificates of the next generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    /// The key to certify.
    pub public_key: UserKey,
    /// An SSH signature by that key (`mezite_ca::Statement`).
    pub proof: String,
    /// Made by the client: the same request with the same key has the same answer for ten minutes.
    pub request: Uuid,
}

/// What an instance needs to work and to be renewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The cluster.
    pub cluster: String,
    /// The bot.
    pub bot: UserName,
    /// The instance.
    pub instance: Uuid,
    /// The generation of these certificates.
    pub generation: u64,
    /// One line, as `ssh-keygen` writes it to `…-cert.pub`.
    pub certificate: String,
    /// The TLS client certificate, PEM.
    pub tls_certificate: String,
    /// Lines for `known_hosts`: the keys of the Host CA.
    pub known_hosts: String,
    /// The certificates of the TLS CA, PEM.
    pub tls_ca: String,
    /// Where SSH and `CONNECT` are served, `HOST:PORT`.
    pub ssh: String,
    /// The gateway's clock when it answered.
    pub now: Timestamp,
    /// When the certificates end.
    pub valid_before: Timestamp,
    /// How long after that they can still be renewed.
    #[serde(with = "duration::text")]
    pub recovery_window: Duration,
}
