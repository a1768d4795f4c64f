//! The keys of an issuer (RFC 7517). Each has one algorithm, whatever a token says.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::{Claims, Fault, IdToken};

/// Keys that are looked at in one set.
const MAX_KEYS: usize = 64;
/// The shortest RSA key that is believed, in bits.
const MIN_RSA_BITS: usize = 2048;

/// Why a set of keys is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// It has another shape, or too many keys.
    #[error("is not a JWK set of at most {MAX_KEYS} keys")]
    Shape,
    /// It holds what nobody but the issuer may know.
    #[error("holds a private or symmetric key; give the public keys only")]
    Private,
    /// None of its keys can be used.
    #[error(
        "has no key for RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA; RSA keys need 2048 bits"
    )]
    Empty,
}

/// The keys of an issuer.
pub struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    public: DecodingKey,
}

/// A key as it is written (RFC 7518, RFC 8037).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a JWK set. Keys of kinds that are not known here are left out.
    pub fn parse(jwks: &Value) -> Result<Self, KeysError> {
        let keys = jwks.get("keys").and_then(Value::as_array).ok_or(KeysError::Shape)?;
        if keys.len() > MAX_KEYS {
            return Err(KeysError::Shape);
        }
        if keys.iter().any(|key| ["d", "p", "q", "k"].iter().any(|part| key.get(part).is_some())) {
            return Err(KeysError::Private);
        }
        let keys: Vec<Key> = keys.iter().filter_map(Key::parse).collect();
        if keys.is_empty() { Err(KeysError::Empty) } else { Ok(Self(keys)) }
    }

    /// What a token says, where one of these keys has signed it.
    pub fn verify(&self, token: &IdToken<'_>) -> Result<Claims, Fault> {
        let named: Vec<&Key> = match &token.header.kid {
            Some(id) => self.0.iter().filter(|key| key.id.as_ref() == Some(id)).collect(),
            // Without a name it can only be the one key that there is.
            None if self.0.len() == 1 => self.0.iter().collect(),
            None => Vec::new(),
        };
        if named.is_empty() {
            return Err(Fault::UnknownKey);
        }
        let wanted = token.header.alg.parse::<Algorithm>().ok();
        let mut fitting = named.iter().filter(|key| Some(key.algorithm) == wanted).peekable();
        if fitting.peek().is_none() {
            return Err(Fault::Algorithm);
        }
        let claims = fitting.find_map(|key| {
            let verified = jsonwebtoken::decode(token.text, &key.public, &signature_only(key.algorithm));
            verified.ok().map(|verified| verified.claims)
        });
        claims.map(|said| Claims::new(said, token)).ok_or(Fault::Signature)
    }
}

/// Times, issuer and audience are compared by [`Claims`].
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

impl Key {
    fn parse(jwk: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(jwk).ok()?;
        if jwk.purpose.as_ref().is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let said = jwk.alg.as_deref();
        let (algorithm, public) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (jwk.n.as_ref()?, jwk.e.as_ref()?);
                if bits(&bytes(n)?) < MIN_RSA_BITS {
                    return None;
                }
                (rsa_algorithm(said)?, DecodingKey::from_rsa_components(n, e).ok()?)
            }
            ("EC", Some("P-256")) => (only(Algorithm::ES256, &["ES256"], said)?, point(&jwk, 32)?),
            ("EC", Some("P-384")) => (only(Algorithm::ES384, &["ES384"], said)?, point(&jwk, 48)?),
            ("OKP", Some("Ed25519")) => {
                let x = jwk.x.as_ref().filter(|x| bytes(x).is_some_and(|x| x.len() == 32))?;
                let algorithm = only(Algorithm::EdDSA, &["EdDSA", "Ed25519"], said)?;
                (algorithm, DecodingKey::from_ed_components(x).ok()?)
            }
            _ => return None,
        };
        Some(Self { id: jwk.kid, algorithm, public })
    }
}

/// RS256 where the key does not say another one: it is what every issuer has (`OpenID` Connect Core 1.0, section 15.1).
fn rsa_algorithm(said: Option<&str>) -> Option<Algorithm> {
    match said {
        None | Some("RS256") => Some(Algorithm::RS256),
        Some("RS384") => Some(Algorithm::RS384),
        Some("RS512") => Some(Algorithm::RS512),
        Some("PS256") => Some(Algorithm::PS256),
        Some("PS384") => Some(Algorithm::PS384),
        Some("PS512") => Some(Algorithm::PS512),
        Some(_) => None,
    }
}

/// The one algorithm of a curve, under one of its names.
fn only(algorithm: Algorithm, names: &[&str], said: Option<&str>) -> Option<Algorithm> {
    said.is_none_or(|said| names.contains(&said)).then_some(algorithm)
}

fn point(jwk: &Jwk, length: usize) -> Option<DecodingKey> {
    let (x, y) = (jwk.x.as_ref()?, jwk.y.as_ref()?);
    let whole = [x, y].iter().all(|half| bytes(half).is_some_and(|half| half.len() == length));
    whole.then(|| DecodingKey::from_ec_components(x, y).ok()).flatten()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let first = number.get(zeros).map_or(8, |byte| byte.leading_zeros() as usize);
    (number.len() - zeros) * 8 - first.min((number.len() - zeros) * 8)
}
