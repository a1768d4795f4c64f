//! What the dialer remembers of each node: who is on the way to it, which CA it trusted last, whom it refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_lock::{Semaphore, SemaphoreGuardArc};
use mezite_ca::CaKind;
use uuid::Uuid;

/// Connections to one node that have not authenticated: below sshd's `MaxStartups 10:30:100`.
const UNAUTHENTICATED: usize = 8;
/// Connections that may wait for one of these places.
const WAITING: usize = 512;
/// So many refusals of a login by a node, within the time, and the node is not asked again for as long.
const REFUSALS: u32 = 2;
const REFUSAL_TIME: Duration = Duration::from_secs(30);
/// Nodes that are remembered before the idle ones are forgotten.
const NODES: usize = 4096;
/// Logins that are remembered for a node.
const LOGINS: usize = 256;

/// The memory of all nodes.
#[derive(Default)]
pub struct Places(Mutex<HashMap<Uuid, Place>>);

struct Place {
    slots: Arc<Semaphore>,
    waiting: usize,
    trusted: Option<CaKind>,
    refused: HashMap<String, Refused>,
}

struct Refused {
    count: u32,
    first: Instant,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(UNAUTHENTICATED)),
            waiting: 0,
            trusted: None,
            refused: HashMap::new(),
        }
    }
}

impl Place {
    fn is_idle(&self, now: Instant) -> bool {
        self.waiting == 0
            && Arc::strong_count(&self.slots) == 1
            && self.refused.values().all(|r| r.is_over(now))
    }
}

impl Refused {
    fn is_over(&self, now: Instant) -> bool {
        now > self.first + REFUSAL_TIME
    }
}

/// The right to be on the way to a node; given back when dropped.
pub struct Slot(#[expect(dead_code, reason = "held for its drop")] SemaphoreGuardArc);

impl Places {
    fn with<T>(&self, node: Uuid, work: impl FnOnce(&mut Place) -> T) -> T {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= NODES {
            let now = Instant::now();
            places.retain(|_, place| !place.is_idle(now));
        }
        work(places.entry(node).or_default())
    }

    /// Waits for a place. `None`: too many wait already.
    pub async fn enter(&self, node: Uuid) -> Option<Slot> {
        let slots = self.with(node, |place| {
            if place.waiting >= WAITING {
                return None;
            }
            place.waiting += 1;
            Some(place.slots.clone())
        })?;
        let waiting = Waiting(self, node);
        let slot = slots.acquire_arc().await;
        drop(waiting);
        Some(Slot(slot))
    }

    /// The CAs to try, the one that worked last first.
    pub fn order(&self, node: Uuid) -> [CaKind; 2] {
        match self.with(node, |place| place.trusted) {
            Some(CaKind::User) => [CaKind::User, CaKind::OpenSsh],
            _ => [CaKind::OpenSsh, CaKind::User],
        }
    }

    /// The node has let `login` in with a certificate of this CA.
    pub fn let_in(&self, node: Uuid, login: &str, ca: CaKind) {
        self.with(node, |place| {
            place.trusted = Some(ca);
            place.refused.remove(login);
        });
    }

    /// The node has refused `login` for `user`.
    pub fn refused(&self, node: Uuid, user: &str, login: &str) {
        let now = Instant::now();
        self.with(node, |place| {
            if place.refused.len() >= LOGINS {
                place.refused.retain(|_, refused| !refused.is_over(now));
            }
            let fresh = Refused { count: 0, first: now };
            let entry = place.refused.entry(key(user, login)).or_insert(fresh);
            if entry.is_over(now) {
                *entry = Refused { count: 0, first: now };
            }
            entry.count += 1;
        });
    }

    /// Asking the node again for this user and login is hopeless for now.
    pub fn is_braked(&self, node: Uuid, user: &str, login: &str) -> bool {
        let now = Instant::now();
        self.with(node, |place| {
            place.refused.get(&key(user, login)).is_some_and(|r| r.count >= REFUSALS && !r.is_over(now))
        })
    }
}

/// A newline stands in neither name.
fn key(user: &str, login: &str) -> String {
    format!("{user}\n{login}")
}

/// Counts a waiting connection down, also when its task is dropped.
struct Waiting<'a>(&'a Places, Uuid);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.with(self.1, |place| place.waiting = place.waiting.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_032_a_hopeless_login_is_not_asked_again() {
        let (places, node) = (Places::default(), Uuid::new_v4());
        for _ in 0..REFUSALS {
            assert!(!places.is_braked(node, "alice", "root"));
            places.refused(node, "alice", "root");
        }
        assert!(places.is_braked(node, "alice", "root"));
        assert!(!places.is_braked(node, "bob", "root"), "others are not braked by it");
        assert!(!places.is_braked(node, "alice", "ubuntu"));
        assert!(!places.is_braked(Uuid::new_v4(), "alice", "root"));
    }

    #[test]
    fn what_worked_is_tried_first() {
        let (places, node) = (Places::default(), Uuid::new_v4());
        assert_eq!(places.order(node)[0], CaKind::OpenSsh);
        places.let_in(node, "ubuntu", CaKind::User);
        assert_eq!(places.order(node), [CaKind::User, CaKind::OpenSsh]);
    }
}
