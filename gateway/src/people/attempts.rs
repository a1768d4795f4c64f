//! Tries to log in that failed, by user and by source: beyond a few, the next one has to wait.
//!
//! Each try counts as failed from its beginning, so that many at once are no more than one after the other.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mezite_api::UserName;

/// Failures of a user, and of a source, before there is a delay.
const USER_FAILURES: u32 = 5;
const SOURCE_FAILURES: u32 = 20;
/// The time without a failure after which they are forgotten, and the longest delay.
const WINDOW: Duration = Duration::from_mins(15);
/// The first delay; it doubles with each further failure.
const FIRST_DELAY: Duration = Duration::from_secs(30);
/// Users and sources that are remembered.
const MAX_KNOWN: usize = 10_000;

/// Whose failures count together: those from where the user logged in last are apart, so that a stranger keeps nobody
/// out of their own account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    /// The name, of whoever it may be.
    pub user: UserName,
    /// Whether the try comes from where the user logged in last.
    pub familiar: bool,
}

/// The failures of everybody.
#[derive(Default)]
pub struct Attempts(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    accounts: HashMap<Account, Count>,
    sources: HashMap<IpAddr, Count>,
}

#[derive(Clone, Copy)]
struct Count {
    failures: u32,
    last: Instant,
}

impl Attempts {
    /// Begins a try, or says how long to wait.
    pub fn begin(&self, account: &Account, source: IpAddr, now: Instant) -> Result<(), Duration> {
        self.with(|counts| {
            let source = network(source);
            let wait = wait(&counts.accounts, account, USER_FAILURES, now).max(wait(
                &counts.sources,
                &source,
                SOURCE_FAILURES,
                now,
            ));
            if !wait.is_zero() {
                return Err(wait);
            }
            add(&mut counts.accounts, account.clone(), now);
            add(&mut counts.sources, source, now);
            Ok(())
        })
    }

    /// The try has succeeded.
    pub fn succeeded(&self, account: &Account, source: IpAddr) {
        self.with(|counts| {
            counts.accounts.remove(account);
            take(&mut counts.sources, &network(source));
        });
    }

    /// The try has come to no result.
    pub fn withdrawn(&self, account: &Account, source: IpAddr) {
        self.with(|counts| {
            take(&mut counts.accounts, account);
            take(&mut counts.sources, &network(source));
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Counts) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How long the next try has to wait yet.
fn wait<K: Hash + Eq>(counts: &HashMap<K, Count>, key: &K, free: u32, now: Instant) -> Duration {
    let Some(Count { failures, last }) = counts.get(key).copied() else { return Duration::ZERO };
    let Some(beyond) = failures.checked_sub(free) else { return Duration::ZERO };
    let delay = FIRST_DELAY.saturating_mul(1 << beyond.min(10)).min(WINDOW);
    (last + delay).saturating_duration_since(now)
}

fn add<K: Hash + Eq + Clone>(counts: &mut HashMap<K, Count>, key: K, now: Instant) {
    if counts.len() >= MAX_KNOWN && !counts.contains_key(&key) {
        counts.retain(|_, count| now.duration_since(count.last) < WINDOW);
        // Still full: the one whose last failure is oldest goes.
        let oldest = counts.iter().min_by_key(|(_, count)| count.last).map(|(key, _)| key.clone());
        if let Some(oldest) = oldest.filter(|_| counts.len() >= MAX_KNOWN) {
            counts.remove(&oldest);
        }
    }
    let count = counts.entry(key).or_insert(Count { failures: 0, last: now });
    if now.duration_since(count.last) >= WINDOW {
        count.failures = 0;
    }
    *count = Count { failures: count.failures.saturating_add(1), last: now };
}

fn take<K: Hash + Eq>(counts: &mut HashMap<K, Count>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        count.failures = count.failures.saturating_sub(1);
    }
}

/// Who has one IPv6 address has all of its /64.
pub fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn account(name: &str) -> Account {
        Account { user: UserName::parse(name).unwrap(), familiar: false }
    }

    fn source(number: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(number))
    }

    #[test]
    fn five_failures_of_a_user_bring_delays_that_grow() {
        let (attempts, alice) = (Attempts::default(), account("alice"));
        let mut now = Instant::now();
        for n in 0..5 {
            assert_eq!(attempts.begin(&alice, source(n), now), Ok(()));
        }
        for delay in [30, 60, 120, 240, 480] {
            let delay = Duration::from_secs(delay);
            assert_eq!(attempts.begin(&alice, source(9), now), Err(delay));
            assert_eq!(attempts.begin(&account("bob"), source(9), now), Ok(()));
            attempts.withdrawn(&account("bob"), source(9));
            now += delay;
            assert_eq!(attempts.begin(&alice, source(9), now), Ok(()));
        }
        assert_eq!(attempts.begin(&alice, source(9), now), Err(WINDOW));
        attempts.succeeded(&alice, source(9));
        assert_eq!(attempts.begin(&alice, source(9), now), Ok(()));
    }

    #[test]
    fn who_comes_from_where_they_came_last_is_not_kept_out_by_strangers() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for n in 0..5 {
            assert_eq!(attempts.begin(&account("alice"), source(n), now), Ok(()));
        }
        let familiar = Account { familiar: true, ..account("alice") };
        for _ in 0..5 {
            assert_eq!(attempts.begin(&familiar, HOME, now), Ok(()));
        }
        assert!(attempts.begin(&familiar, HOME, now).is_err());
    }

    #[test]
    fn twenty_failures_of_a_source_bring_delays_whoever_is_tried() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let neighbours: [IpAddr; 2] = ["2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap()];
        for n in 0..20 {
            assert_eq!(attempts.begin(&account(&format!("u{n}")), neighbours[n % 2], now), Ok(()));
        }
        assert!(attempts.begin(&account("alice"), neighbours[0], now).is_err());
        assert_eq!(attempts.begin(&account("alice"), HOME, now), Ok(()));
        assert_eq!(attempts.begin(&account("alice"), neighbours[0], now + WINDOW), Ok(()));
    }

    #[test]
    fn failures_are_forgotten_in_time_and_bounded_in_number() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..4 {
            attempts.begin(&account("alice"), HOME, now).unwrap();
        }
        attempts.begin(&account("alice"), HOME, now + WINDOW).unwrap();
        assert_eq!(attempts.with(|counts| counts.accounts[&account("alice")].failures), 1);
        for n in 0..11_000 {
            attempts.begin(&account(&format!("u{n}")), source(n), now).unwrap();
        }
        assert_eq!(
            attempts.with(|counts| (counts.accounts.len(), counts.sources.len())),
            (MAX_KNOWN, MAX_KNOWN)
        );
    }
}
