//! Codes that hold for more than one connection (`mfa_grace`): from the same address, with the same key, for the same
//! roles. In memory: who is asked once more has lost nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mezite_api::RoleName;
use mezite_ca::SealedSecret;
use uuid::Uuid;

/// Codes that are remembered.
const MAX_KNOWN: usize = 10_000;

/// What a code holds for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Circumstances {
    /// Whose.
    pub user: Uuid,
    /// Who has all the roles that there were then, and no others.
    pub roles: Vec<RoleName>,
    /// From where.
    pub source: IpAddr,
    /// The fingerprint of the key.
    pub key: String,
}

/// The codes that were given.
#[derive(Default)]
pub struct Grace(Mutex<HashMap<Circumstances, Given>>);

struct Given {
    at: Instant,
    /// The secret that the code was of: a reset ends the grace.
    totp: SealedSecret,
}

impl Grace {
    /// A code was right.
    pub fn given(&self, circumstances: Circumstances, totp: SealedSecret, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            let oldest = known.iter().min_by_key(|(_, given)| given.at).map(|(key, _)| key.clone());
            oldest.map(|oldest| known.remove(&oldest));
        }
        known.insert(circumstances, Given { at: now, totp });
    }

    /// Whether a code of this secret was right so lately.
    pub fn holds(
        &self,
        circumstances: &Circumstances,
        totp: &SealedSecret,
        grace: Duration,
        now: Instant,
    ) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let given = known.get(circumstances).filter(|given| given.totp == *totp);
        given.is_some_and(|given| now.duration_since(given.at) < grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_holds_for_a_while_and_for_the_same_circumstances_only() {
        let (grace, now) = (Grace::default(), Instant::now());
        let (secret, other) =
            (SealedSecret::Plain { secret: vec![1] }, SealedSecret::Plain { secret: vec![2] });
        let own = Circumstances {
            user: Uuid::new_v4(),
            roles: vec![RoleName::parse("dev").unwrap()],
            source: "10.0.0.1".parse().unwrap(),
            key: "SHA256:a".to_owned(),
        };
        let minute = Duration::from_mins(1);
        assert!(!grace.holds(&own, &secret, minute, now));
        grace.given(own.clone(), secret.clone(), now);
        assert!(grace.holds(&own, &secret, minute, now + Duration::from_secs(59)));
        assert!(!grace.holds(&own, &secret, minute, now + minute));
        assert!(!grace.holds(&own, &secret, Duration::ZERO, now));
        assert!(!grace.holds(&own, &other, minute, now));
        for changed in [
            Circumstances { user: Uuid::new_v4(), ..own.clone() },
            Circumstances { roles: Vec::new(), ..own.clone() },
            Circumstances { source: "10.0.0.2".parse().unwrap(), ..own.clone() },
            Circumstances { key: "SHA256:b".to_owned(), ..own.clone() },
        ] {
            assert!(!grace.holds(&changed, &secret, minute, now), "{changed:?}");
        }
    }
}
