//! Names: of users, roles, nodes and local accounts (semantics section 3).

use std::hash::{Hash, Hasher};

use crate::Invalid;
use crate::text::checked_text;

/// A user, person or bot: `[a-z0-9._@+-]{1,64}`, case-insensitive and kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

impl UserName {
    /// Reads a user name; capitals become small letters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let permitted = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte);
        if (1..=64).contains(&text.len()) && text.bytes().all(permitted) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(Invalid::new("user", "must be 1 to 64 of a-z, 0-9 and . _ @ + -"))
        }
    }
}
checked_text!(UserName);

/// A role: `[A-Za-z0-9._-]{1,64}`, a letter or digit first; capitals count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleName(String);

impl RoleName {
    /// Reads a role name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let permitted = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if first && text.len() <= 64 && text.bytes().all(permitted) {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new("role", "must be 1 to 64 of A-Z, a-z, 0-9 and . _ -, a letter or digit first"))
        }
    }
}
checked_text!(RoleName);

/// A local account on a node, as POSIX `useradd` takes it: `[A-Za-z0-9._-]{1,32}`, no `-` first, capitals count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Login(String);

impl Login {
    /// Reads a login. What a shell, a path or an option parser would take for something else is refused.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let permitted = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let plain = (1..=32).contains(&text.len()) && text.bytes().all(permitted);
        if plain && !text.starts_with('-') && text != "." && text != ".." {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new("login", "must be 1 to 32 of A-Z, a-z, 0-9 and . _ -, and not begin with -"))
        }
    }
}
checked_text!(Login);

/// A DNS name or label: labels of letters, digits, `_` and inner `-`, each at most 63, 253 in all. The case is
/// kept; comparing ignores it, because OpenSSH lower-cases what its user typed.
#[derive(Debug, Clone)]
pub struct DnsName(String);

impl DnsName {
    /// Reads a DNS name without a trailing dot.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() > 253 || !text.split('.').all(is_label) {
            return Err(Invalid::new(
                "host",
                "must be a DNS name: labels of 1 to 63 letters, digits, _ and inner -",
            ));
        }
        // A name that ends in a number is an address that was mistyped (RFC 1123 section 2.1).
        match text.rsplit_once('.') {
            Some((_, last)) if last.bytes().all(|byte| byte.is_ascii_digit()) => {
                Err(Invalid::new("host", "must not end in a number unless it is an IP address"))
            }
            _ => Ok(Self(text.into())),
        }
    }

    /// The form that names are compared and looked up in.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

fn is_label(label: &str) -> bool {
    let permitted = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(permitted)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl PartialEq for DnsName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for DnsName {}

impl Hash for DnsName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().hash(state);
    }
}
checked_text!(DnsName);

/// The name of a node: a DNS name or label that cannot be taken for a UUID.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeName(DnsName);

impl NodeName {
    /// Reads a node name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let name = DnsName::parse(text).map_err(|invalid| invalid.in_field("name"))?;
        if uuid::Uuid::try_parse(text).is_ok() {
            return Err(Invalid::new("name", "must not be a UUID"));
        }
        Ok(Self(name))
    }

    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The form that names are compared and looked up in.
    pub fn folded(&self) -> String {
        self.0.folded()
    }
}

impl std::fmt::Display for NodeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
crate::text::serde_as_text!(NodeName);
