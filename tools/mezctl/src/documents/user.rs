//! `kind: user`: a person.

use std::collections::BTreeMap;

use mezite_access::yaml::YamlError;
use mezite_api::client::Client;
use mezite_api::user::{Traits, UserAdd, UserKind, UserUpdate};
use mezite_api::{Invalid, Login, RoleName, User, UserName};
use mezite_console::CommandError;
use serde::{Deserialize, Serialize};

use super::{Declared, Kind, Metadata, Stored, Version, conflict, found, wrong};

/// The trait that is `{{internal.logins}}` in Teleport's documents.
const LOGINS: &str = "logins";

/// A person, as a file says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserDocument {
    kind: Kind,
    #[serde(default = "Version::written")]
    version: Version,
    metadata: Metadata<UserName>,
    #[serde(default)]
    spec: Spec,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<serde_json::Value>,
}

/// What a user is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Spec {
    roles: Vec<RoleName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logins: Option<Vec<Login>>,
    /// A trait may stand there without values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    traits: BTreeMap<String, Option<Vec<String>>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
}

impl UserDocument {
    /// The document of a user that the gateway has.
    pub(crate) fn of(user: &User) -> Self {
        let traits: BTreeMap<_, _> =
            user.traits.iter().map(|(name, values)| (name.clone(), Some(values.clone()))).collect();
        // Said also where there are none, if they could be taken for the trait of that name.
        let said = !user.logins.is_empty() || traits.contains_key(LOGINS);
        let logins = said.then(|| user.logins.clone());
        Self {
            kind: Kind::User,
            version: Version::written(),
            metadata: Metadata { name: user.name.clone(), revision: Some(user.revision) },
            spec: Spec { roles: user.roles.clone(), logins, traits, disabled: user.disabled },
            status: Some(serde_json::json!({ "id": user.id, "created": user.created })),
        }
    }

    /// Only what is configured.
    pub(crate) fn bare(mut self) -> Self {
        self.metadata.revision = None;
        self.status = None;
        self
    }

    pub(super) fn checked(self) -> Result<Self, YamlError> {
        self.add().and_then(|add| add.check()).map_err(|invalid| wrong(&invalid))?;
        Ok(self)
    }

    fn add(&self) -> Result<UserAdd, Invalid> {
        let (logins, traits) = self.spec.logins_and_traits()?;
        let (name, roles) = (self.metadata.name.clone(), self.spec.roles.clone());
        Ok(UserAdd { name, roles, logins, traits, disabled: self.spec.disabled, token_ttl: None })
    }
}

impl Spec {
    /// Logins are those of `spec.logins`, else the trait of that name.
    fn logins_and_traits(&self) -> Result<(Vec<Login>, Traits), Invalid> {
        let mut traits: Traits =
            self.traits.iter().filter_map(|(name, values)| Some((name.clone(), values.clone()?))).collect();
        if let Some(logins) = &self.logins {
            return Ok((logins.clone(), traits));
        }
        let named = traits.remove(LOGINS).unwrap_or_default();
        let login = |name: &String| Login::parse(name).map_err(|invalid| invalid.in_field("traits.logins"));
        let logins = named.iter().map(login).collect::<Result<_, _>>()?;
        Ok((logins, traits))
    }
}

impl Declared for UserDocument {
    fn kind(&self) -> Kind {
        Kind::User
    }

    fn name(&self) -> String {
        self.metadata.name.to_string()
    }

    fn revision(&self) -> Option<u64> {
        self.metadata.revision
    }

    fn stored(&self, client: &Client) -> Result<Stored, CommandError> {
        let Some(user) = found(client.user(&self.metadata.name))? else { return Ok(Stored::Absent) };
        if user.kind == UserKind::Bot {
            return Err(conflict(format!("{} is a bot, not a user", user.name)));
        }
        let UserAdd { roles, logins, traits, disabled, .. } = self.add()?;
        let same = (roles, logins, traits, disabled) == (user.roles, user.logins, user.traits, user.disabled);
        Ok(if same { Stored::Same(Some(user.revision)) } else { Stored::Other(Some(user.revision)) })
    }

    fn create(&self, client: &Client) -> Result<(), CommandError> {
        client.add_user(&self.add()?)?;
        Ok(())
    }

    fn replace(&self, client: &Client, revision: Option<u64>) -> Result<(), CommandError> {
        let UserAdd { name, roles, logins, traits, disabled, .. } = self.add()?;
        let update = UserUpdate {
            roles: Some(roles),
            logins: Some(logins),
            traits: Some(traits),
            disabled: Some(disabled),
            revision,
        };
        client.update_user(&name, &update)?;
        Ok(())
    }

    fn remove(&self, client: &Client) -> Result<(), CommandError> {
        Ok(client.remove_user(&self.metadata.name)?)
    }
}
