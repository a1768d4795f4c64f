//! Tokens that were refused, by source. A right token is never kept waiting: 128 random bits are not guessed, what is
//! limited is how much noise one source makes.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many refusals a source has in [`WINDOW`] before it is told to stop, and before the audit log is spared.
pub const MAX_GUESSES: u32 = 100;
/// The time that refusals count for.
const WINDOW: Duration = Duration::from_mins(15);
/// Sources that are remembered.
const MAX_SOURCES: usize = 10_000;

/// How a refusal is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As a wrong token, and audited.
    Wrong,
    /// As too many, and audited this once.
    Enough,
    /// As too many.
    More,
}

struct Count {
    since: Instant,
    refused: u32,
}

/// The refusals of all sources.
#[derive(Clone, Default)]
pub struct Guesses(Arc<Mutex<HashMap<IpAddr, Count>>>);

impl Guesses {
    /// Counts a refusal.
    pub fn refused(&self, source: IpAddr, now: Instant) -> Verdict {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let source = network(source);
        if counts.len() >= MAX_SOURCES && !counts.contains_key(&source) {
            counts.retain(|_, count| now.duration_since(count.since) < WINDOW);
            // Still full: the one that has waited longest goes.
            let oldest = counts.iter().min_by_key(|(_, count)| count.since).map(|(source, _)| *source);
            if let Some(oldest) = oldest.filter(|_| counts.len() >= MAX_SOURCES) {
                counts.remove(&oldest);
            }
        }
        let count = counts.entry(source).or_insert(Count { since: now, refused: 0 });
        if now.duration_since(count.since) >= WINDOW {
            *count = Count { since: now, refused: 0 };
        }
        count.refused = count.refused.saturating_add(1);
        match count.refused {
            0..=MAX_GUESSES => Verdict::Wrong,
            refused if refused == MAX_GUESSES + 1 => Verdict::Enough,
            _ => Verdict::More,
        }
    }
}

/// Who has one IPv6 address has all of its /64.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            let bits = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_073_guesses_are_limited_for_each_source() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let (thief, other): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "10.0.0.1".parse().unwrap());
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        let verdicts: Vec<_> = (0..100_000).map(|_| guesses.refused(thief, now)).collect();
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Wrong).count(), 100);
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Enough).count(), 1);
        assert_eq!(guesses.refused(neighbour, now), Verdict::More);
        assert_eq!(guesses.refused(other, now), Verdict::Wrong);
        assert_eq!(guesses.refused(thief, now + WINDOW), Verdict::Wrong);
    }

    #[test]
    fn hostile_073_many_sources_take_bounded_memory() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for source in 0..11_000 {
            guesses.refused(IpAddr::V4(std::net::Ipv4Addr::from_bits(source)), now);
        }
        assert_eq!(guesses.0.lock().unwrap().len(), MAX_SOURCES);
    }
}
