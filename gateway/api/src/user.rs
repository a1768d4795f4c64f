//! The user document, and what is asked of the API about users.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bot::check_token_ttl;
use crate::{Invalid, Login, RoleName, UserName, duration};

/// The most roles of one user.
pub const MAX_ROLES: usize = 256;
/// The most logins of one user.
pub const MAX_LOGINS: usize = 256;
/// The most traits of one user, and the most values of one trait.
pub const MAX_TRAITS: usize = 64;

/// Trait → values; roles use them as `{{trait.NAME}}`.
pub type Traits = BTreeMap<String, Vec<String>>;

/// Who connects: a person or a bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The identity. A user that is made again under an old name is another one.
    pub id: Uuid,
    /// The name, unique among people and bots.
    pub name: UserName,
    /// Person or bot.
    pub kind: UserKind,
    /// The roles by name.
    #[serde(default)]
    pub roles: Vec<RoleName>,
    /// What `{{internal.logins}}` stands for.
    #[serde(default)]
    pub logins: Vec<Login>,
    /// What `{{trait.NAME}}` stands for.
    #[serde(default)]
    pub traits: Traits,
    /// A disabled user is refused everything.
    #[serde(default)]
    pub disabled: bool,
    /// When the user was made.
    pub created: Timestamp,
    /// The store's revision of the last change; zero in a document that is not stored yet.
    #[serde(default)]
    pub revision: u64,
}

/// Person or machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserKind {
    /// A person.
    Person,
    /// A machine identity.
    Bot,
}

/// Asks for a new user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserAdd {
    /// The name.
    pub name: UserName,
    /// The roles; each must exist.
    #[serde(default)]
    pub roles: Vec<RoleName>,
    /// What `{{internal.logins}}` stands for.
    #[serde(default)]
    pub logins: Vec<Login>,
    /// What `{{trait.NAME}}` stands for.
    #[serde(default)]
    pub traits: Traits,
    /// Refused everything until that is changed.
    #[serde(default)]
    pub disabled: bool,
    /// Make a token for 'msh setup' that is good for so long; none when it is not said.
    #[serde(default, with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub token_ttl: Option<Duration>,
}

impl UserAdd {
    /// Checks what the fields alone cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        check_token_ttl(self.token_ttl)?;
        check_roles(&self.roles)?;
        check_logins(&self.logins)?;
        check_traits(&self.traits)
    }
}

/// Asks for a change of a user. What is not given stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserUpdate {
    /// All roles anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<RoleName>>,
    /// All logins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logins: Option<Vec<Login>>,
    /// All traits anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traits: Option<Traits>,
    /// Disabled or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Only when the user is still at this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

impl UserUpdate {
    /// Checks what the fields alone cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        self.roles.as_deref().map_or(Ok(()), check_roles)?;
        self.logins.as_deref().map_or(Ok(()), check_logins)?;
        self.traits.as_ref().map_or(Ok(()), check_traits)
    }
}

pub(crate) fn check_roles(roles: &[RoleName]) -> Result<(), Invalid> {
    if roles.len() > MAX_ROLES {
        return Err(Invalid::new("roles", format!("must be at most {MAX_ROLES}")));
    }
    Ok(())
}

pub(crate) fn check_logins(logins: &[Login]) -> Result<(), Invalid> {
    if logins.len() > MAX_LOGINS {
        return Err(Invalid::new("logins", format!("must be at most {MAX_LOGINS}")));
    }
    Ok(())
}

/// Names as in `{{trait.NAME}}`; values are any short text, because they are only ever compared.
pub(crate) fn check_traits(traits: &Traits) -> Result<(), Invalid> {
    let many = traits.len() > MAX_TRAITS || traits.values().any(|values| values.len() > MAX_TRAITS);
    if many {
        return Err(Invalid::new(
            "traits",
            format!("must be at most {MAX_TRAITS}, with as many values each"),
        ));
    }
    if !traits.keys().all(|name| is_trait_name(name)) {
        return Err(Invalid::new("traits", "must have names of 1 to 64 letters, digits, _ and -"));
    }
    if traits.values().flatten().any(|value| value.len() > 256 || value.chars().any(char::is_control)) {
        return Err(Invalid::new(
            "traits",
            "must have values of at most 256 bytes without control characters",
        ));
    }
    Ok(())
}

/// Whether `{{trait.NAME}}` can name it: 1 to 64 ASCII letters, digits, `_` and `-`.
pub fn is_trait_name(name: &str) -> bool {
    let permitted = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(permitted)
}
