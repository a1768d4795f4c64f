//! An id token as it comes in: what it says of itself, of which nothing is believed yet.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mezite_api::oidc::MAX_ID_TOKEN_BYTES;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Fault;

/// A compact JWS (RFC 7515) that nobody has verified.
pub struct IdToken<'a> {
    pub(super) text: &'a str,
    pub(super) header: Header,
    issuer: String,
}

/// What its header says. Where keys are to be found it may not say: they are those that the bot trusts.
#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
    typ: Option<String>,
    /// Extensions that the receiver must understand; there are none here.
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Issuer {
    iss: String,
}

impl<'a> IdToken<'a> {
    /// Takes one apart.
    pub fn parse(text: &'a str) -> Result<Self, Fault> {
        if text.len() > MAX_ID_TOKEN_BYTES {
            return Err(Fault::Malformed);
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Fault::Malformed);
        };
        let header: Header = decoded(header)?;
        let is_jwt = header.typ.as_ref().is_none_or(|kind| kind.eq_ignore_ascii_case("JWT"));
        if header.crit.is_some() || !is_jwt {
            return Err(Fault::Malformed);
        }
        let Issuer { iss } = decoded(payload)?;
        Ok(Self { text, header, issuer: iss })
    }

    /// Who is said to have signed it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What is signed of it: a signature has more than one spelling.
    pub(super) fn digest(&self) -> [u8; 32] {
        let signed = self.text.rsplit_once('.').map_or(self.text, |(signed, _)| signed);
        Sha256::digest(signed).into()
    }
}

fn decoded<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, Fault> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Fault::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Fault::Malformed)
}
