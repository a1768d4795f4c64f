//! What is signed against what is asked for, case by case, and the keys that are believed.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use mezite_api::oidc::OidcTrust;
use p256::pkcs8::EncodePrivateKey as _;
use serde_json::{Value, json};

use super::keys::KeysError;
use super::{Claims, Fault, IdToken, KeySet};

const NOW: i64 = 1_800_000_000;

/// A P-256 key: private, and as it is published.
fn key() -> (EncodingKey, Value) {
    let secret = p256::SecretKey::random(&mut rand_core::OsRng);
    let point = secret.public_key();
    let point = p256::elliptic_curve::sec1::ToEncodedPoint::to_encoded_point(&point, false);
    let half = |bytes: Option<&p256::FieldBytes>| URL_SAFE_NO_PAD.encode(bytes.unwrap());
    let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": half(point.x()), "y": half(point.y())});
    (EncodingKey::from_ec_der(secret.to_pkcs8_der().unwrap().as_bytes()), jwk)
}

fn signed(key: &EncodingKey, claims: &Value) -> String {
    let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::ES256) };
    encode(&header, claims, key).unwrap()
}

fn said(claims: &Value) -> Claims {
    let (key, jwk) = key();
    let text = signed(&key, claims);
    KeySet::parse(&json!({ "keys": [jwk] })).unwrap().verify(&IdToken::parse(&text).unwrap()).unwrap()
}

fn trust(claims: &[(&str, &str)]) -> OidcTrust {
    let claims = claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    OidcTrust {
        issuer: Some("https://a.example".to_owned()),
        issuer_ca: None,
        jwks: None,
        audience: "mezite".to_owned(),
        claims: claims.collect::<BTreeMap<_, _>>(),
    }
}

#[test]
fn hostile_121_claims_are_compared_as_texts_numbers_and_booleans() {
    let all = json!({"iss": "https://a.example", "aud": "mezite", "text": "x", "number": 7, "truth": true,
                     "list": ["x"], "object": {"x": "x"}, "nothing": null, "sub": "me"});
    let claims = said(&all);
    for right in [("text", "x"), ("number", "7"), ("truth", "true")] {
        let subject = claims.check(&trust(&[right])).unwrap();
        assert_eq!((subject.issuer.as_str(), subject.subject.as_deref()), ("https://a.example", Some("me")));
    }
    for wrong in [("text", "X"), ("text", "x "), ("number", "7.0"), ("truth", "True"), ("list", "x")] {
        assert!(matches!(claims.check(&trust(&[wrong])), Err(Fault::Claim { .. })), "{wrong:?}");
    }
    for wrong in ["list", "object", "nothing", "absent"] {
        let found = Err(Fault::Claim { name: wrong.to_owned(), found: None });
        assert_eq!(claims.check(&trust(&[(wrong, "null")])), found);
    }
}

#[test]
fn hostile_121_a_token_is_for_one_audience_of_one_issuer() {
    let check =
        |iss: &str, aud: Value| said(&json!({"iss": iss, "aud": aud, "a": "b"})).check(&trust(&[("a", "b")]));
    assert!(check("https://a.example", json!("mezite")).is_ok());
    assert!(check("https://a.example", json!(["mezite"])).is_ok());
    for aud in
        [json!("Mezite"), json!(["mezite", "b"]), json!([]), json!([["mezite"]]), json!(null), json!(1)]
    {
        assert_eq!(check("https://a.example", aud), Err(Fault::Audience));
    }
    assert_eq!(check("https://a.example/", json!("mezite")), Err(Fault::Issuer));
}

#[test]
fn hostile_121_times_have_leeway_at_the_start_only() {
    let now = Timestamp::from_second(NOW).unwrap();
    let check = |iat: i64, nbf: Option<i64>, exp: i64| {
        let mut claims = json!({"iss": "x", "iat": NOW + iat, "exp": NOW + exp});
        if let Some(nbf) = nbf {
            claims["nbf"] = (NOW + nbf).into();
        }
        said(&claims).check_times(now)
    };
    assert_eq!(check(0, None, 1), Ok(()));
    assert_eq!(check(60, Some(60), 100), Ok(()));
    assert_eq!(check(0, None, 0), Err(Fault::Expired));
    assert_eq!(check(61, None, 100), Err(Fault::NotYet));
    assert_eq!(check(0, Some(61), 100), Err(Fault::NotYet));
    assert_eq!(check(0, None, 24 * 3600), Ok(()));
    assert_eq!(check(0, None, 24 * 3600 + 1), Err(Fault::TooLong));
    assert_eq!(check(-24 * 3600, None, 1), Err(Fault::TooLong));
    for broken in [
        json!({"iss": "x", "exp": NOW + 1}),
        json!({"iss": "x", "iat": NOW}),
        json!({"iss": "x", "iat": NOW, "exp": "1"}),
    ] {
        assert_eq!(said(&broken).check_times(now), Err(Fault::NoTime));
    }
    assert_eq!(said(&json!({"iss": "x", "iat": NOW, "exp": u64::MAX})).check_times(now), Err(Fault::NoTime));
}

#[test]
fn hostile_121_a_token_is_remembered_by_its_name_or_by_what_was_signed() {
    let once = |claims: Value| said(&claims).once();
    let named = once(json!({"iss": "x", "jti": "1", "a": 1}));
    assert_eq!(named, once(json!({"iss": "x", "jti": "1", "a": 2})));
    assert_ne!(named, once(json!({"iss": "y", "jti": "1"})));
    assert_ne!(once(json!({"iss": "x", "a": 1})), once(json!({"iss": "x", "a": 2})));
    // A signature has two spellings; what is signed has one.
    let (key, jwk) = key();
    let keys = KeySet::parse(&json!({ "keys": [jwk] })).unwrap();
    let (first, second) = (signed(&key, &json!({"iss": "x"})), signed(&key, &json!({"iss": "x"})));
    let seen = |text: &str| keys.verify(&IdToken::parse(text).unwrap()).unwrap().once();
    assert_eq!(seen(&first), seen(&second));
    assert_ne!(first, second);
}

#[test]
fn hostile_121_a_key_has_one_algorithm_whatever_the_token_says() {
    let (key, jwk) = key();
    let text = signed(&key, &json!({"iss": "x"}));
    let verify = |jwk: Value| {
        let keys = KeySet::parse(&json!({ "keys": [jwk] }));
        keys.map(|keys| keys.verify(&IdToken::parse(&text).unwrap()).map(drop))
    };
    assert_eq!(verify(jwk.clone()), Ok(Ok(())));
    let with = |name: &str, value: &str| {
        let mut jwk = jwk.clone();
        jwk[name] = value.into();
        jwk
    };
    assert_eq!(verify(with("kid", "other")), Ok(Err(Fault::UnknownKey)));
    for (name, value) in
        [("alg", "ES384"), ("alg", "HS256"), ("use", "enc"), ("crv", "P-384"), ("kty", "oct"), ("x", "AA")]
    {
        assert_eq!(verify(with(name, value)), Err(KeysError::Empty), "{name}={value}");
    }
    for private in ["d", "k"] {
        assert_eq!(verify(with(private, "AA")), Err(KeysError::Private));
    }
    let other = self::key().1;
    assert_eq!(verify(other), Ok(Err(Fault::Signature)));
    let many: Vec<Value> = (0..65).map(|_| jwk.clone()).collect();
    assert_eq!(KeySet::parse(&json!({ "keys": many })).err(), Some(KeysError::Shape));
    assert_eq!(KeySet::parse(&json!([])).err(), Some(KeysError::Shape));
}

#[test]
fn hostile_121_what_is_no_token_is_not_looked_at() {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let payload = part(json!({"iss": "x"}));
    let head = |value: Value| IdToken::parse(&format!("{}.{payload}.", part(value))).map(|_| ());
    assert_eq!(head(json!({"alg": "none"})), Ok(()));
    assert_eq!(head(json!({"alg": "RS256", "crit": []})), Err(Fault::Malformed));
    assert_eq!(head(json!({"alg": "RS256", "typ": "at+jwt"})), Err(Fault::Malformed));
    assert_eq!(head(json!({"kid": "k"})), Err(Fault::Malformed));
    for text in ["", "..", "a.b.c", "a.b.c.d", &format!("{payload}.{payload}.{}", "x".repeat(16 * 1024))] {
        assert_eq!(IdToken::parse(text).err(), Some(Fault::Malformed));
    }
}
