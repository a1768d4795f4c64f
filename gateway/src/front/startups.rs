//! Limits on connections that have not authenticated.
//!
//! Where a limit is reached, one of those that wait is cut at random, not the one that comes: whoever authenticates does
//! so in a moment, and whoever floods holds nearly all of the places that are drawn from.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use mezite_actors::Latch;
use rand_core::{OsRng, RngCore};

/// Connections of one source address.
const FROM_ONE_SOURCE: usize = 128;
/// Connections in all.
const IN_ALL: usize = 1024;

/// The connections that have not authenticated.
#[derive(Clone, Default)]
pub struct Startups(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    next: u64,
    all: HashMap<u64, Entry>,
    by_source: HashMap<IpAddr, Vec<u64>>,
}

struct Entry {
    source: IpAddr,
    cut: Latch,
}

/// A place among them, given back when dropped.
pub struct Ticket {
    id: u64,
    startups: Startups,
    cut: Latch,
}

impl Startups {
    /// Takes a place, which may cost another connection its own.
    pub fn enter(&self, source: IpAddr) -> Ticket {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = waiting.by_source.get(&source).map_or(0, Vec::len);
        let victim = if same >= FROM_ONE_SOURCE {
            waiting.by_source.get(&source).and_then(|ids| ids.get(below(same)).copied())
        } else if waiting.all.len() >= IN_ALL {
            let nth = below(waiting.all.len());
            waiting.all.keys().nth(nth).copied()
        } else {
            None
        };
        if let Some(entry) = victim.and_then(|id| waiting.remove(id)) {
            entry.cut.set();
        }
        let id = waiting.next;
        waiting.next += 1;
        let cut = Latch::new();
        waiting.all.insert(id, Entry { source, cut: cut.clone() });
        waiting.by_source.entry(source).or_default().push(id);
        Ticket { id, startups: self.clone(), cut }
    }

    /// Connections that wait.
    pub fn waiting(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all.len()
    }
}

impl Waiting {
    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.all.remove(&id)?;
        if let Some(ids) = self.by_source.get_mut(&entry.source) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_source.remove(&entry.source);
            }
        }
        Some(entry)
    }
}

impl Ticket {
    /// Gives the place back: the client has authenticated.
    pub fn give_back(self) -> Startups {
        self.startups.clone()
    }

    /// Set when the place was given to another connection: this one must end.
    pub fn cut(&self) -> &Latch {
        &self.cut
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.startups.0.lock().unwrap_or_else(PoisonError::into_inner).remove(self.id);
    }
}

/// A random number below `bound`, which is small.
fn below(bound: usize) -> usize {
    usize::try_from(OsRng.next_u32()).unwrap_or(0) % bound.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_009_a_flood_of_one_source_costs_that_source_its_places() {
        let startups = Startups::default();
        let flood: IpAddr = "10.0.0.1".parse().unwrap();
        let other = startups.enter("10.0.0.2".parse().unwrap());
        let held: Vec<_> = (0..2000).map(|_| startups.enter(flood)).collect();
        assert_eq!(startups.waiting(), FROM_ONE_SOURCE + 1);
        assert!(!other.cut().is_set(), "another source keeps its place");
        let cut = held.iter().filter(|ticket| ticket.cut().is_set()).count();
        assert_eq!(cut, 2000 - FROM_ONE_SOURCE);
        drop(held);
        assert_eq!(startups.waiting(), 1);
        drop(other);
        assert_eq!(startups.waiting(), 0);
    }

    #[test]
    fn all_sources_together_are_limited() {
        let startups = Startups::default();
        let held: Vec<_> = (0..2000u32).map(|n| startups.enter(IpAddr::from(n.to_be_bytes()))).collect();
        assert_eq!(startups.waiting(), IN_ALL);
        drop(held);
        assert_eq!(startups.waiting(), 0);
    }
}
