//! Who may hold a connection open: at most so many in all and from one source, and when it is full the one that
//! has waited longest without a whole request makes room, so that idle peers never shut anybody out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Names one connection of a listener; grows with time.
pub type ConnectionId = u64;

/// Set by a connection once it has read a whole request.
#[derive(Debug, Clone, Default)]
pub struct Served(Arc<AtomicBool>);

impl Served {
    /// From now on the connection is not sent away to make room.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was set.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What to do with a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Take it.
    Admit,
    /// Take it, and cut that one.
    Replace(ConnectionId),
    /// Close it: everything that is open is being served.
    Refuse,
}

/// The connections of one listener.
#[derive(Debug)]
pub struct Gate {
    total_max: usize,
    source_max: usize,
    open: BTreeMap<ConnectionId, (IpAddr, Served)>,
}

impl Gate {
    /// A gate that holds `total_max` connections and `source_max` from one source.
    pub const fn new(total_max: usize, source_max: usize) -> Self {
        Self { total_max, source_max, open: BTreeMap::new() }
    }

    /// Whether a connection from `source` may come in.
    pub fn admission(&self, source: IpAddr) -> Admission {
        let source = source_of(source);
        let same = |entry: &(IpAddr, Served)| entry.0 == source;
        if self.open.values().filter(|entry| same(entry)).count() >= self.source_max {
            self.replace_oldest(same)
        } else if self.open.len() >= self.total_max {
            self.replace_oldest(|_| true)
        } else {
            Admission::Admit
        }
    }

    fn replace_oldest(&self, among: impl Fn(&(IpAddr, Served)) -> bool) -> Admission {
        let oldest = self.open.iter().find(|(_, entry)| among(entry) && !entry.1.is_set());
        oldest.map_or(Admission::Refuse, |(id, _)| Admission::Replace(*id))
    }

    /// Notes an admitted connection.
    pub fn insert(&mut self, id: ConnectionId, source: IpAddr, served: Served) {
        self.open.insert(id, (source_of(source), served));
    }

    /// Forgets a connection that has ended.
    pub fn remove(&mut self, id: ConnectionId) {
        self.open.remove(&id);
    }
}

/// One host: an IPv4 address, however it is written, or the /64 of an IPv6 address.
fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_oldest_waiting_connection_of_the_source_makes_room() {
        let mut gate = Gate::new(10, 2);
        let busy = Served::default();
        busy.set();
        gate.insert(1, address("10.0.0.9"), Served::default());
        gate.insert(2, address("10.0.0.1"), busy);
        gate.insert(3, address("::ffff:10.0.0.1"), Served::default());
        assert_eq!(gate.admission(address("10.0.0.1")), Admission::Replace(3));
        assert_eq!(gate.admission(address("10.0.0.9")), Admission::Admit);
        gate.remove(3);
        assert_eq!(gate.admission(address("10.0.0.1")), Admission::Admit);
    }

    #[test]
    fn the_total_is_bounded_and_served_connections_stay() {
        let mut gate = Gate::new(2, 2);
        gate.insert(1, address("10.0.0.1"), Served::default());
        gate.insert(2, address("10.0.0.2"), Served::default());
        assert_eq!(gate.admission(address("10.0.0.3")), Admission::Replace(1));
        for (_, served) in gate.open.values() {
            served.set();
        }
        assert_eq!(gate.admission(address("10.0.0.3")), Admission::Refuse);
    }

    #[test]
    fn neighbours_in_one_ipv6_network_are_one_source() {
        let mut gate = Gate::new(10, 1);
        gate.insert(1, address("2001:db8::1"), Served::default());
        assert_eq!(gate.admission(address("2001:db8::2")), Admission::Replace(1));
        assert_eq!(gate.admission(address("2001:db8:0:1::1")), Admission::Admit);
    }
}
