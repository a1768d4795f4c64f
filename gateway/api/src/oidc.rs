//! Joining without a stored secret: a bot is believed by id tokens (`OpenID` Connect) that its pipeline or cluster signs.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::text::serde_as_text;
use crate::{Host, Invalid, NodeAddress, Port, SecretText, UserKey, UserName, duration};

/// The longest id token, in bytes.
pub const MAX_ID_TOKEN_BYTES: usize = 16 * 1024;
/// The longest set of keys, in bytes of JSON.
pub const MAX_JWKS_BYTES: usize = 64 * 1024;
/// Claims that a bot may ask for.
const MAX_CLAIMS: usize = 16;
/// The longest name and the longest value of one, in bytes.
const MAX_CLAIM_BYTES: usize = 512;
/// What every token says, whoever it is for: these say nothing about who joins.
const ABOUT_THE_TOKEN: [&str; 6] = ["iss", "aud", "exp", "nbf", "iat", "jti"];

/// Issuers that sign for everybody, and the claims that say for whom: one of them must be asked for.
const SHARED_ISSUERS: [(&str, &[&str]); 2] = [
    (
        "https://token.actions.githubusercontent.com",
        &[
            "sub",
            "repository",
            "repository_id",
            "repository_owner",
            "repository_owner_id",
            "job_workflow_ref",
            "workflow_ref",
        ],
    ),
    ("https://gitlab.com", &["sub", "project_path", "project_id", "namespace_path", "namespace_id"]),
];

/// Whom a bot is believed by, and what must be said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcTrust {
    /// What `iss` must be. Where there is no `jwks` it is also where the keys are fetched from: an [`HttpsUrl`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The CA of the issuer's server, PEM, where it is none that the gateway's system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_ca: Option<String>,
    /// The keys themselves (a JWK set, RFC 7517), where the gateway cannot fetch them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// What `aud` must be.
    pub audience: String,
    /// What further claims must be, by name.
    pub claims: BTreeMap<String, String>,
}

impl OidcTrust {
    /// Checks what the fields alone cannot. Whether the keys are any is for the gateway to see.
    pub fn check(&self) -> Result<(), Invalid> {
        match (&self.issuer, &self.jwks) {
            (None, None) => return Err(Invalid::new("issuer", "or jwks must be given")),
            (Some(issuer), None) => drop(HttpsUrl::parse(issuer).map_err(|error| error.in_field("issuer"))?),
            (issuer, Some(jwks)) => {
                if issuer.as_ref().is_some_and(|issuer| !is_word(issuer)) {
                    return Err(Invalid::new("issuer", "must be 1 to 512 printable characters"));
                }
                if self.issuer_ca.is_some() {
                    return Err(Invalid::new("issuer_ca", "is for keys that are fetched, not with jwks"));
                }
                if jwks.to_string().len() > MAX_JWKS_BYTES {
                    return Err(Invalid::new("jwks", "must be at most 64 KiB"));
                }
            }
        }
        if self.issuer_ca.as_ref().is_some_and(|ca| ca.len() > MAX_JWKS_BYTES) {
            return Err(Invalid::new("issuer_ca", "must be at most 64 KiB"));
        }
        if !is_word(&self.audience) {
            return Err(Invalid::new("audience", "must be 1 to 512 printable characters"));
        }
        self.check_claims()
    }

    fn check_claims(&self) -> Result<(), Invalid> {
        let invalid = |why: String| Err(Invalid::new("claims", why));
        if self.claims.is_empty() || self.claims.len() > MAX_CLAIMS {
            return invalid(format!(
                "must be 1 to {MAX_CLAIMS}: without one, everybody at the issuer would be let in"
            ));
        }
        for (name, value) in &self.claims {
            if !is_word(name) || value.is_empty() || value.len() > MAX_CLAIM_BYTES || has_control(value) {
                return invalid("must be NAME=VALUE, each 1 to 512 printable characters".to_owned());
            }
            if ABOUT_THE_TOKEN.contains(&name.as_str()) {
                return invalid(format!("{name} says nothing about who joins; it is checked anyway"));
            }
        }
        let shared = SHARED_ISSUERS.iter().find(|(issuer, _)| {
            self.issuer.as_ref().is_some_and(|own| own.trim_end_matches('/').eq_ignore_ascii_case(issuer))
        });
        match shared {
            Some((issuer, owners)) if !owners.iter().any(|owner| self.claims.contains_key(*owner)) => {
                invalid(format!(
                    "{issuer} signs for everybody: one of {} must be among them",
                    owners.join(", ")
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Visible characters without blanks.
fn is_word(text: &str) -> bool {
    (1..=MAX_CLAIM_BYTES).contains(&text.len()) && !has_control(text) && !text.contains(char::is_whitespace)
}

fn has_control(text: &str) -> bool {
    text.chars().any(|c| c.is_control() || crate::is_deceptive(c))
}

/// Who an id token said that joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdTokenSubject {
    /// Its `iss`.
    pub issuer: String,
    /// Its `sub`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The claims that the bot asks for.
    pub claims: BTreeMap<String, String>,
}

impl fmt::Display for IdTokenSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Some(subject) => f.write_str(subject),
            None => f.write_str(&joined(&self.claims)),
        }
    }
}

/// Claims as the command line has them: `a=b,c=d`.
pub fn joined(claims: &BTreeMap<String, String>) -> String {
    claims.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

/// Asks for the first certificates of a new instance, for an id token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcJoinRequest {
    /// The id token.
    pub id_token: SecretText,
    /// The bot; needed only where several take the same token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot: Option<UserName>,
    /// The key to certify.
    pub public_key: UserKey,
    /// An SSH signature by that key (`mezite_ca::Statement`).
    pub proof: String,
    /// Made by the client: the same request with the same key has the same answer for ten minutes.
    pub request: Uuid,
    /// How often the client means to renew: refused, before the token is spent, where certificates live no longer.
    #[serde(default, with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub renewal_interval: Option<std::time::Duration>,
}

/// `https://HOST[:PORT][/PATH]`, without user, query or fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpsUrl {
    text: String,
    address: NodeAddress,
    path: usize,
}

impl HttpsUrl {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let wrong =
            || Invalid::new("url", "must be https://HOST[:PORT][/PATH], without user, query or fragment");
        let rest =
            text.strip_prefix("https://").filter(|_| text.len() <= MAX_CLAIM_BYTES).ok_or_else(wrong)?;
        let length = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(length);
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/%:@!$&'()*+,;=".contains(c);
        if !path.chars().all(plain) || path.contains("/../") || path.ends_with("/..") {
            return Err(wrong());
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Port::parse(port).map_err(|_| wrong())?),
            _ => (authority, Port::new(443)?),
        };
        let host = Host::parse(host).map_err(|_| wrong())?;
        Ok(Self { path: text.len() - path.len(), text: text.to_owned(), address: NodeAddress { host, port } })
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The server.
    pub fn address(&self) -> &NodeAddress {
        &self.address
    }

    /// The path, perhaps empty.
    pub fn path(&self) -> &str {
        self.text.get(self.path..).unwrap_or_default()
    }

    /// Where an issuer describes itself (`OpenID` Connect Discovery 1.0, section 4).
    pub fn discovery(&self) -> Result<Self, Invalid> {
        Self::parse(&format!("{}/.well-known/openid-configuration", self.text.trim_end_matches('/')))
    }
}

impl fmt::Display for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
serde_as_text!(HttpsUrl);

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(issuer: &str, claims: &[(&str, &str)]) -> OidcTrust {
        OidcTrust {
            issuer: Some(issuer.to_owned()),
            issuer_ca: None,
            jwks: None,
            audience: "mezite".to_owned(),
            claims: claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    #[test]
    fn an_issuer_is_an_https_url() {
        let url = HttpsUrl::parse("https://git.example.com:8443/a/b/").unwrap();
        assert_eq!((url.address().to_string().as_str(), url.path()), ("git.example.com:8443", "/a/b/"));
        let discovery = "https://git.example.com:8443/a/b/.well-known/openid-configuration";
        assert_eq!(url.discovery().unwrap().as_str(), discovery);
        assert_eq!(HttpsUrl::parse("https://[::1]").unwrap().address().port.number(), 443);
        assert_eq!(HttpsUrl::parse("https://[::1]:7/").unwrap().address().port.number(), 7);
        for bad in [
            "http://a.example",
            "https://",
            "https://u@a.example",
            "https://a.example?x",
            "https://a.example/x#y",
            "https://a.example/x?y",
            "https://a.example/../x",
            "https://a.example/\r\nx",
            "https://a.example:0",
            "https://a example",
            "HTTPS://a.example",
        ] {
            assert!(HttpsUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nobody_trusts_everybody_at_an_issuer() {
        let issuer = "https://git.example.com";
        assert_eq!(trust(issuer, &[("sub", "x")]).check(), Ok(()));
        for claims in
            [&[][..], &[("aud", "x")], &[("iss", "x")], &[("a b", "x")], &[("a", "")], &[("a", "\n")]]
        {
            assert_eq!(trust(issuer, claims).check().unwrap_err().field, "claims", "{claims:?}");
        }
        let github = "https://token.actions.githubusercontent.com";
        assert!(trust(github, &[("ref", "refs/heads/main")]).check().is_err());
        assert_eq!(trust(github, &[("ref", "refs/heads/main"), ("repository", "acme/app")]).check(), Ok(()));
    }

    #[test]
    fn keys_come_from_the_issuer_or_from_a_file() {
        let mut one = trust("kubernetes/serviceaccount", &[("sub", "x")]);
        assert_eq!(one.check().unwrap_err().field, "issuer");
        one.jwks = Some(serde_json::json!({"keys": []}));
        assert_eq!(one.check(), Ok(()));
        one.issuer = None;
        assert_eq!(one.check(), Ok(()));
        one.issuer_ca = Some("x".to_owned());
        assert_eq!(one.check().unwrap_err().field, "issuer_ca");
        (one.issuer_ca, one.jwks) = (None, None);
        assert_eq!(one.check().unwrap_err().field, "issuer");
    }
}
