//! The keys of issuers: fetched over HTTPS, within limits, and remembered.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_lock::Mutex as AsyncMutex;
use mezite_actors::{blocking, net, time};
use mezite_api::client::{Fetch, Trust};
use mezite_api::oidc::{HttpsUrl, MAX_JWKS_BYTES};
use mezite_api::{Host, escape};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::Value;

use super::KeySet;
use crate::dialer::{self, Forbidden};

/// Keys are fetched anew when they are older than this.
const FRESH: Duration = Duration::from_hours(1);
/// They are good so long where the issuer cannot be reached.
const MAX_AGE: Duration = Duration::from_hours(24);
/// So often a token with an unknown key has them fetched anew, and so often an issuer that fails is asked again.
const PAUSE: Duration = Duration::from_mins(1);
/// The same for an issuer whose keys were never seen.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// For both documents together.
const FETCH_TIME: Duration = Duration::from_secs(10);
/// Addresses of an issuer that are tried.
const MAX_ADDRESSES: usize = 8;
/// Issuers that are remembered.
const MAX_ISSUERS: usize = 1000;

/// An issuer and the CA of its server: another CA is asked anew.
type Source = (HttpsUrl, Option<String>);

/// The keys of all issuers that were asked for.
pub struct Issuers {
    own: Vec<SocketAddr>,
    known: Mutex<HashMap<Source, Arc<AsyncMutex<Known>>>>,
}

/// What is known of one.
#[derive(Default)]
struct Known {
    keys: Option<(Arc<KeySet>, Instant)>,
    /// When it was last asked for the sake of a key that it did not have.
    lacked: Option<Instant>,
    failed: Option<(String, Instant)>,
}

/// What an issuer says of itself, as far as it matters here.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Issuers {
    /// `own` are the gateway's listeners, which are never asked.
    pub fn new(own: Vec<SocketAddr>) -> Self {
        Self { own, known: Mutex::default() }
    }

    /// The keys of an issuer. `lacking`: those that are known have not the one that is needed.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn keys(
        &self,
        issuer: &HttpsUrl,
        ca: Option<&str>,
        lacking: bool,
    ) -> Result<Arc<KeySet>, String> {
        let known = self.entry((issuer.clone(), ca.map(str::to_owned)));
        // Whoever else wants them waits for this answer.
        let mut known = known.lock().await;
        if known.is_to_be_asked(lacking, Instant::now()) {
            if lacking {
                known.lacked = Some(Instant::now());
            }
            match self.fetch(issuer, ca).await {
                Ok(keys) => {
                    known.keys = Some((Arc::new(keys), Instant::now()));
                    known.failed = None;
                }
                Err(why) => {
                    log::warn!(issuer:%, why = escape(&why); "the keys of an issuer of id tokens are not to be had");
                    known.failed = Some((why, Instant::now()));
                }
            }
        }
        match (&known.keys, &known.failed) {
            (Some((keys, at)), _) if at.elapsed() < MAX_AGE => Ok(Arc::clone(keys)),
            (_, Some((why, _))) => Err(why.clone()),
            _ => Err("not asked yet".to_owned()),
        }
    }

    fn entry(&self, source: Source) -> Arc<AsyncMutex<Known>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_ISSUERS && !known.contains_key(&source) {
            // Those of bots that are gone too: they are asked again when they are needed.
            known.clear();
        }
        Arc::clone(known.entry(source).or_default())
    }

    async fn fetch(&self, issuer: &HttpsUrl, ca: Option<&str>) -> Result<KeySet, String> {
        let deadline = Instant::now() + FETCH_TIME;
        let discovery = issuer.discovery().map_err(|invalid| invalid.to_string())?;
        let text = self.document(&discovery, ca, deadline).await?;
        let described: Discovery =
            serde_json::from_slice(&text).map_err(|error| format!("{discovery}: {error}"))?;
        if described.issuer != issuer.as_str() {
            return Err(format!("{discovery} describes another issuer, {}", escape(&described.issuer)));
        }
        let place =
            HttpsUrl::parse(&described.jwks_uri).map_err(|error| format!("jwks_uri: {}", error.reason))?;
        if place.address() != issuer.address() {
            return Err(format!("jwks_uri {place} is of another server; give the keys with --jwks-file"));
        }
        let text = self.document(&place, ca, deadline).await?;
        let keys: Value = serde_json::from_slice(&text).map_err(|error| format!("{place}: {error}"))?;
        KeySet::parse(&keys).map_err(|error| format!("{place} {error}"))
    }

    async fn document(&self, url: &HttpsUrl, ca: Option<&str>, deadline: Instant) -> Result<Vec<u8>, String> {
        let own = self.own.clone();
        let judge = Arc::new(move |local, peer| {
            if dialer::is_self_connection(local, peer, &own) {
                return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, Forbidden::Own.to_string()));
            }
            Ok(())
        });
        let fetch = Fetch {
            url: url.clone(),
            addresses: self.addresses(url, deadline).await.map_err(|why| format!("{url}: {why}"))?,
            judge,
            trust: trust(ca)?,
            limit: MAX_JWKS_BYTES as u64,
            deadline,
        };
        blocking::run(move || fetch.run()).await.map_err(|why| format!("{url}: {why}"))
    }

    /// Where the server may be dialled: what is true of nodes is true of issuers.
    async fn addresses(&self, url: &HttpsUrl, deadline: Instant) -> Result<Vec<SocketAddr>, String> {
        let recorded = url.address();
        let port = recorded.port.number();
        let left = deadline.saturating_duration_since(Instant::now());
        let all = match &recorded.host {
            Host::Ip(ip) => vec![SocketAddr::new(*ip, port)],
            Host::Name(name) => match time::timeout(left, net::resolve(name.as_str(), port)).await {
                Ok(resolved) => resolved.map_err(|error| error.to_string())?,
                Err(_) => return Err("the resolver does not answer".to_owned()),
            },
        };
        let mut allowed = Vec::new();
        let mut why = "the name has no address".to_owned();
        for address in all.into_iter().take(MAX_ADDRESSES) {
            match dialer::check(recorded, address, &self.own) {
                Ok(()) => allowed.push(address),
                Err(forbidden) => why = format!("{address} is {forbidden}"),
            }
        }
        if allowed.is_empty() { Err(why) } else { Ok(allowed) }
    }
}

impl Known {
    fn is_to_be_asked(&self, lacking: bool, now: Instant) -> bool {
        let since = |then: Instant| now.saturating_duration_since(then);
        let pause = if self.keys.is_some() { PAUSE } else { FIRST_PAUSE };
        if self.failed.as_ref().is_some_and(|(_, at)| since(*at) < pause) {
            return false;
        }
        match &self.keys {
            None => true,
            Some((_, at)) if since(*at) >= FRESH => true,
            Some(_) => lacking && self.lacked.is_none_or(|at| since(at) >= PAUSE),
        }
    }
}

/// Whom the server's certificate must be of.
fn trust(ca: Option<&str>) -> Result<Trust, String> {
    let Some(pem) = ca else { return Ok(Trust::System) };
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    all.map(Trust::Ca).map_err(|_| "the CA of the issuer is no PEM".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_asked_no_more_than_it_must() {
        let now = Instant::now() + MAX_AGE;
        let ago = |time: Duration| now.checked_sub(time).unwrap();
        let keys = || {
            let jwk = serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": "A".repeat(43)});
            Arc::new(KeySet::parse(&serde_json::json!({ "keys": [jwk] })).unwrap())
        };
        let mut known = Known::default();
        assert!(known.is_to_be_asked(false, now));
        known.failed = Some((String::new(), ago(Duration::from_secs(4))));
        assert!(!known.is_to_be_asked(true, now));
        known.failed = Some((String::new(), ago(FIRST_PAUSE)));
        assert!(known.is_to_be_asked(false, now));
        known = Known { keys: Some((keys(), ago(Duration::ZERO))), ..Known::default() };
        assert!(!known.is_to_be_asked(false, now));
        assert!(known.is_to_be_asked(true, now), "the first that lacks a key need not wait");
        known.lacked = Some(ago(Duration::from_secs(59)));
        assert!(!known.is_to_be_asked(true, now));
        known.lacked = Some(ago(PAUSE));
        assert!(known.is_to_be_asked(true, now));
        known.failed = Some((String::new(), ago(Duration::from_secs(59))));
        assert!(!known.is_to_be_asked(true, now));
        known.keys = Some((keys(), ago(FRESH)));
        known.failed = None;
        assert!(known.is_to_be_asked(false, now));
    }
}
