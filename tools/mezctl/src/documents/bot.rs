//! `kind: bot`: a machine identity and whose id tokens it joins with, without its token and its instances.

use std::time::Duration;

use mezite_access::yaml::YamlError;
use mezite_api::bot::{Bot, BotPut, DEFAULT_TTL};
use mezite_api::client::Client;
use mezite_api::oidc::OidcTrust;
use mezite_api::user::Traits;
use mezite_api::{Login, RoleName, UserName, duration};
use mezite_console::CommandError;
use serde::{Deserialize, Serialize};

use super::{Declared, Kind, Metadata, Stored, Version, found, wrong};

/// A bot, as a file says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BotDocument {
    kind: Kind,
    #[serde(default = "Version::written")]
    version: Version,
    metadata: Metadata<UserName>,
    spec: Spec,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    roles: Vec<RoleName>,
    #[serde(default, with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    ttl: Option<Duration>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    logins: Vec<Login>,
    #[serde(default, skip_serializing_if = "Traits::is_empty")]
    traits: Traits,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
    /// Whose id tokens it joins with; of a bot that is there it stays where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    oidc: Option<OidcTrust>,
}

impl BotDocument {
    /// The document of a bot that the gateway has.
    pub(crate) fn of(bot: &Bot) -> Self {
        let status = serde_json::json!({
            "id": bot.id, "created": bot.created, "token": bot.token, "instances": bot.instances, "locked": bot.locked,
        });
        Self {
            kind: Kind::Bot,
            version: Version::written(),
            metadata: Metadata { name: bot.name.clone(), revision: Some(bot.revision) },
            spec: Spec {
                roles: bot.roles.clone(),
                ttl: Some(bot.ttl),
                logins: bot.logins.clone(),
                traits: bot.traits.clone(),
                disabled: bot.disabled,
                oidc: bot.oidc.clone(),
            },
            status: Some(status),
        }
    }

    /// Only what is configured.
    pub(crate) fn bare(mut self) -> Self {
        self.metadata.revision = None;
        self.status = None;
        self
    }

    pub(super) fn checked(self) -> Result<Self, YamlError> {
        self.put(false, None).check().map_err(|invalid| wrong(&invalid))?;
        Ok(self)
    }

    fn put(&self, replace: bool, revision: Option<u64>) -> BotPut {
        let Spec { roles, ttl, logins, traits, disabled, oidc } = self.spec.clone();
        BotPut { roles, logins, traits, ttl, disabled, oidc, replace, revision }
    }
}

impl Declared for BotDocument {
    fn kind(&self) -> Kind {
        Kind::Bot
    }

    fn name(&self) -> String {
        self.metadata.name.to_string()
    }

    fn revision(&self) -> Option<u64> {
        self.metadata.revision
    }

    fn stored(&self, client: &Client) -> Result<Stored, CommandError> {
        let Some(bot) = found(client.bot(&self.metadata.name))? else { return Ok(Stored::Absent) };
        let mut spec = self.spec.clone();
        spec.ttl = spec.ttl.or(Some(DEFAULT_TTL));
        spec.oidc = spec.oidc.or_else(|| bot.oidc.clone());
        let same = spec == Self::of(&bot).spec;
        Ok(if same { Stored::Same(Some(bot.revision)) } else { Stored::Other(Some(bot.revision)) })
    }

    fn create(&self, client: &Client) -> Result<(), CommandError> {
        client.put_bot(&self.metadata.name, &self.put(false, None))?;
        Ok(())
    }

    fn replace(&self, client: &Client, revision: Option<u64>) -> Result<(), CommandError> {
        client.put_bot(&self.metadata.name, &self.put(true, revision))?;
        Ok(())
    }

    fn remove(&self, client: &Client) -> Result<(), CommandError> {
        Ok(client.remove_bot(&self.metadata.name)?)
    }
}
