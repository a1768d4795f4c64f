//! What the dialer remembers of each node: who is on the way to it, which CA it trusted last, whom it refused.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_lock::{Semaphore, SemaphoreGuardArc};
use mezite_ca::CaKind;
use uuid::Uuid;

/// Connections to one node that have not authenticated: below sshd's `MaxStartups 10:30:100`.
const UNAUTHENTICATED: usize = 8;
/// Connections that may wait for one of these places.
const WAITING: usize = 512;
/// So long after a node has turned somebody away before its greeting it is gone to one by one.
const CAREFUL: Duration = Duration::from_secs(30);
/// So many refusals by a node of a user with one login, or with any, within the time, and the node is not asked again for
/// as long: from about the third failure on, an sshd with penalties shuts out the gateway's address, that is everybody.
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
    /// The turns of those who go to the node one by one.
    single: Arc<Semaphore>,
    /// When it last turned somebody away.
    turned_away: Option<Instant>,
    /// When somebody who was alone on the way to it last gave up.
    given_up: Option<Instant>,
    trusted: Option<CaKind>,
    /// Logins that were let in: these are not guesses.
    known: HashSet<String>,
    /// By user and login, and by user.
    refused: HashMap<String, Refused>,
    /// Users who try logins that are not known, each one at a time.
    guessing: HashMap<String, Arc<Semaphore>>,
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
            single: Arc::new(Semaphore::new(1)),
            turned_away: None,
            given_up: None,
            trusted: None,
            known: HashSet::new(),
            refused: HashMap::new(),
            guessing: HashMap::new(),
        }
    }
}

impl Place {
    fn is_idle(&self, now: Instant) -> bool {
        self.waiting == 0
            && Arc::strong_count(&self.slots) == 1
            && !self.is_careful(now)
            && self.refused.values().all(|r| r.is_over(now))
    }

    fn is_careful(&self, now: Instant) -> bool {
        self.turned_away.is_some_and(|last| now < last + CAREFUL)
    }

    /// The turns of a user's guesses.
    fn turns(&mut self, user: &str) -> Arc<Semaphore> {
        if self.guessing.len() >= LOGINS {
            self.guessing.retain(|_, turns| Arc::strong_count(turns) > 1);
        }
        let turns = self.guessing.entry(user.to_owned());
        Arc::clone(turns.or_insert_with(|| Arc::new(Semaphore::new(1))))
    }
}

impl Refused {
    fn is_over(&self, now: Instant) -> bool {
        now > self.first + REFUSAL_TIME
    }
}

/// The right to be on the way to a node; given back when dropped.
#[expect(dead_code, reason = "guards are held for their drop")]
pub struct Slot {
    place: SemaphoreGuardArc,
    turn: Option<SemaphoreGuardArc>,
    /// Nobody else is on the way there.
    alone: Option<SemaphoreGuardArc>,
    entered: Instant,
}

impl Places {
    fn with<T>(&self, node: Uuid, work: impl FnOnce(&mut Place) -> T) -> T {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= NODES {
            let now = Instant::now();
            places.retain(|_, place| !place.is_idle(now));
        }
        work(places.entry(node).or_default())
    }

    /// Waits for a place, and where the node is not known to let `login` in, for the end of the user's guess before.
    /// Where the node has turned somebody away lately, also for the end of all others who are on the way there.
    /// `None`: too many wait already.
    pub async fn enter(&self, node: Uuid, user: &str, login: &str) -> Option<Slot> {
        let entered = Instant::now();
        let (slots, turns) = self.with(node, |place| {
            if place.waiting >= WAITING {
                return None;
            }
            place.waiting += 1;
            let turns = (!place.known.contains(login)).then(|| place.turns(user));
            Some((place.slots.clone(), turns))
        })?;
        let waiting = Waiting(self, node);
        let turn = match turns {
            Some(turns) => Some(turns.acquire_arc().await),
            None => None,
        };
        let place = slots.acquire_arc().await;
        let single = self.with(node, |place| place.is_careful(Instant::now()).then(|| place.single.clone()));
        let alone = match single {
            Some(single) => Some(single.acquire_arc().await),
            None => None,
        };
        drop(waiting);
        Some(Slot { place, turn, alone, entered })
    }

    /// The node has turned this one away. Waits until it is alone on the way there, for another try; false where it is
    /// hopeless, because another one who was alone has given up meanwhile.
    pub async fn turned_away(&self, node: Uuid, slot: &mut Slot) -> bool {
        let single = self.with(node, |place| {
            place.turned_away = Some(Instant::now());
            place.single.clone()
        });
        if slot.alone.is_none() {
            slot.alone = Some(single.acquire_arc().await);
        }
        !self.with(node, |place| place.given_up.is_some_and(|when| when > slot.entered))
    }

    /// One who was alone on the way to the node was turned away to the end.
    pub fn given_up(&self, node: Uuid) {
        self.with(node, |place| place.given_up = Some(Instant::now()));
    }

    /// The CAs to try, the one that worked last first.
    pub fn order(&self, node: Uuid) -> [CaKind; 2] {
        match self.with(node, |place| place.trusted) {
            Some(CaKind::User) => [CaKind::User, CaKind::OpenSsh],
            _ => [CaKind::OpenSsh, CaKind::User],
        }
    }

    /// The node has let `user` in as `login` with a certificate of this CA.
    pub fn let_in(&self, node: Uuid, user: &str, login: &str, ca: CaKind) {
        self.with(node, |place| {
            place.trusted = Some(ca);
            if place.known.len() < LOGINS && !place.known.contains(login) {
                place.known.insert(login.to_owned());
            }
            place.refused.remove(&key(user, login));
        });
    }

    /// A login that the node was seen to let in.
    pub fn known_login(&self, node: Uuid) -> Option<String> {
        self.with(node, |place| place.known.iter().min().cloned())
    }

    /// The node has refused `login` for `user`.
    pub fn refused(&self, node: Uuid, user: &str, login: &str) {
        let now = Instant::now();
        self.with(node, |place| {
            if place.refused.len() >= LOGINS {
                place.refused.retain(|_, refused| !refused.is_over(now));
            }
            place.known.remove(login);
            for key in [key(user, login), user.to_owned()] {
                let entry = place.refused.entry(key).or_insert(Refused { count: 0, first: now });
                if entry.is_over(now) {
                    *entry = Refused { count: 0, first: now };
                }
                entry.count += 1;
            }
        });
    }

    /// Asking the node again for this user and login is hopeless for now.
    pub fn is_braked(&self, node: Uuid, user: &str, login: &str) -> bool {
        let now = Instant::now();
        self.with(node, |place| {
            let often =
                |key: &str| place.refused.get(key).is_some_and(|r| r.count >= REFUSALS && !r.is_over(now));
            often(&key(user, login)) || (often(user) && !place.known.contains(login))
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
        assert!(!places.is_braked(Uuid::new_v4(), "alice", "root"));
    }

    #[test]
    fn hostile_032_guesses_are_counted_together_and_what_is_known_is_no_guess() {
        let (places, node) = (Places::default(), Uuid::new_v4());
        places.let_in(node, "bob", "ubuntu", CaKind::OpenSsh);
        for login in ["a", "b"] {
            assert!(!places.is_braked(node, "alice", "c"));
            places.refused(node, "alice", login);
        }
        assert!(places.is_braked(node, "alice", "c"), "another login is another guess");
        assert!(!places.is_braked(node, "alice", "ubuntu"), "the node lets it in");
        assert!(!places.is_braked(node, "bob", "c"));
        places.refused(node, "alice", "ubuntu");
        assert!(places.is_braked(node, "alice", "ubuntu"), "it does not any more");
        places.let_in(node, "alice", "a", CaKind::OpenSsh);
        assert!(!places.is_braked(node, "alice", "a"));
    }

    #[test]
    fn who_was_turned_away_goes_on_alone() {
        use futures_util::FutureExt as _;
        let (places, node) = (Places::default(), Uuid::new_v4());
        let enter = || places.enter(node, "alice", "ubuntu").now_or_never().flatten();
        places.let_in(node, "alice", "ubuntu", CaKind::OpenSsh);
        let (mut first, second) = (enter().unwrap(), enter().unwrap());
        assert_eq!(places.turned_away(node, &mut first).now_or_never(), Some(true));
        assert!(enter().is_none(), "who comes now waits for it");
        drop(first);
        let mut third = enter().unwrap();
        assert!(enter().is_none());
        // Who gives up speaks for those who have waited meanwhile.
        let mut second = second;
        places.given_up(node);
        drop(third.alone.take());
        assert_eq!(places.turned_away(node, &mut second).now_or_never(), Some(false));
        drop(second);
        let mut later = enter().unwrap();
        assert_eq!(places.turned_away(node, &mut later).now_or_never(), Some(true));
    }

    #[test]
    fn what_worked_is_tried_first() {
        let (places, node) = (Places::default(), Uuid::new_v4());
        assert_eq!(places.order(node)[0], CaKind::OpenSsh);
        places.let_in(node, "alice", "ubuntu", CaKind::User);
        assert_eq!(places.order(node), [CaKind::User, CaKind::OpenSsh]);
    }
}
