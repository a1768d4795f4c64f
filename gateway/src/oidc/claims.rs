//! What a verified id token says, against what a bot asks for. Pure: no store, no clock.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mezite_api::oidc::{IdTokenSubject, OidcTrust};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{Fault, IdToken};

/// So much the issuer's clock may be ahead; at the end of a token there is no leeway.
const LEEWAY: SignedDuration = SignedDuration::from_secs(60);
/// The longest life of a token: one that lives longer is a stored secret.
const MAX_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// What a token says that one of its issuer's keys has signed.
#[derive(Debug, Clone)]
pub struct Claims {
    said: Map<String, Value>,
    /// SHA-256 of what was signed.
    signed: [u8; 32],
}

impl Claims {
    pub(super) fn new(said: Map<String, Value>, token: &IdToken<'_>) -> Self {
        Self { said, signed: token.digest() }
    }

    /// Who joins, where issuer, audience and claims are as the bot asks. The times are for [`Claims::check_times`].
    pub fn check(&self, trust: &OidcTrust) -> Result<IdTokenSubject, Fault> {
        let issuer = self.text("iss").ok_or(Fault::Issuer)?;
        if trust.issuer.as_ref().is_some_and(|wanted| *wanted != issuer) {
            return Err(Fault::Issuer);
        }
        if !self.is_for(&trust.audience) {
            return Err(Fault::Audience);
        }
        let mut claims = BTreeMap::new();
        for (name, wanted) in &trust.claims {
            let found = self.text(name);
            if found.as_ref() != Some(wanted) {
                return Err(Fault::Claim { name: name.clone(), found });
            }
            claims.insert(name.clone(), wanted.clone());
        }
        Ok(IdTokenSubject { issuer, subject: self.text("sub"), claims })
    }

    /// Whether it is valid now, and was never meant to be so for long.
    pub fn check_times(&self, now: Timestamp) -> Result<(), Fault> {
        let (issued, expires) = (self.moment("iat")?, self.expires()?);
        let begins = if self.said.contains_key("nbf") { self.moment("nbf")? } else { issued };
        if now >= expires {
            return Err(Fault::Expired);
        }
        if issued.max(begins).duration_since(now) > LEEWAY {
            return Err(Fault::NotYet);
        }
        let life = expires.duration_since(issued.min(now));
        if life > MAX_LIFE { Err(Fault::TooLong) } else { Ok(()) }
    }

    /// When it ends.
    pub fn expires(&self) -> Result<Timestamp, Fault> {
        self.moment("exp")
    }

    /// What it is remembered by once it was used: its issuer's name for it, else what was signed.
    pub fn once(&self) -> [u8; 32] {
        let (issuer, name) = (self.said.get("iss"), self.said.get("jti"));
        match (issuer.and_then(Value::as_str), name.and_then(Value::as_str)) {
            (Some(issuer), Some(name)) if !name.is_empty() => {
                let issuer = Sha256::digest(issuer);
                Sha256::new().chain_update(issuer).chain_update(name).finalize().into()
            }
            _ => self.signed,
        }
    }

    /// For this audience and no other: who else it is for could show it here.
    fn is_for(&self, audience: &str) -> bool {
        match self.said.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(all)) => matches!(all.as_slice(), [Value::String(one)] if one == audience),
            _ => false,
        }
    }

    /// A claim that is a text, a number or a boolean, as text.
    fn text(&self, name: &str) -> Option<String> {
        match self.said.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// A claim that is a moment: seconds since 1970.
    fn moment(&self, name: &str) -> Result<Timestamp, Fault> {
        let number = self.said.get(name).ok_or(Fault::NoTime)?;
        let seconds = number.as_i64().ok_or(Fault::NoTime)?;
        Timestamp::from_second(seconds).map_err(|_| Fault::NoTime)
    }
}
