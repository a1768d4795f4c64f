//! Logins in roles: names, and templates that the user's own logins and traits fill.

use std::fmt;

use mezite_api::Login;
use mezite_api::user::is_trait_name;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::decision::UserFacts;

/// What `logins` lists. Filled-in values are only ever compared: they are never patterns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LoginPattern {
    /// One local account.
    Name(Login),
    /// `{{internal.logins}}`: the user's own logins.
    UserLogins,
    /// `{{trait.NAME}}`: the values of one of the user's traits.
    Trait(String),
}

impl LoginPattern {
    fn parse(text: &str) -> Result<Self, String> {
        let Some(inner) = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) else {
            let login = Login::parse(text);
            return login.map(Self::Name).map_err(|invalid| format!("a login {}", invalid.reason));
        };
        match inner.trim().split_once('.') {
            Some(("internal", "logins")) => Ok(Self::UserLogins),
            Some(("trait", name)) if is_trait_name(name) => Ok(Self::Trait(name.into())),
            _ => Err("a template must be {{internal.logins}} or {{trait.NAME}}".into()),
        }
    }

    /// Whether this user's `login` is meant.
    pub(crate) fn matches(&self, login: &Login, user: &UserFacts<'_>) -> bool {
        match self {
            Self::Name(name) => name == login,
            Self::UserLogins => user.logins.contains(login),
            Self::Trait(name) => {
                user.traits.get(name).is_some_and(|values| values.iter().any(|value| value == login.as_str()))
            }
        }
    }

    /// All logins that are meant for this user. Values of traits that are no logins are left out.
    pub(crate) fn expand(&self, user: &UserFacts<'_>) -> Vec<Login> {
        match self {
            Self::Name(name) => vec![name.clone()],
            Self::UserLogins => user.logins.to_vec(),
            Self::Trait(name) => user
                .traits
                .get(name)
                .into_iter()
                .flatten()
                .filter_map(|value| Login::parse(value).ok())
                .collect(),
        }
    }
}

impl fmt::Display for LoginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(login) => login.fmt(f),
            Self::UserLogins => f.write_str("{{internal.logins}}"),
            Self::Trait(name) => write!(f, "{{{{trait.{name}}}}}"),
        }
    }
}

impl Serialize for LoginPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LoginPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// What `deny.logins` lists: as [`LoginPattern`], and `*` for every login.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DeniedLogin {
    /// Every login.
    Any,
    /// Those that the pattern means.
    Some(LoginPattern),
}

impl DeniedLogin {
    /// Whether this user's `login` is denied.
    pub(crate) fn matches(&self, login: &Login, user: &UserFacts<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Some(pattern) => pattern.matches(login, user),
        }
    }
}

impl Serialize for DeniedLogin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => serializer.serialize_str("*"),
            Self::Some(pattern) => pattern.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for DeniedLogin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "*" => Ok(Self::Any),
            text => LoginPattern::parse(text).map(Self::Some).map_err(D::Error::custom),
        }
    }
}
