//! The connections that live now: counted for limits and status, and reached to be cut.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mezite_actors::{Latch, Wait};
use mezite_api::UserName;
use uuid::Uuid;

use crate::inventory::Holding;

/// All of them.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<HashMap<Uuid, Entry>>>);

struct Entry {
    holding: Holding,
    latch: Latch,
    cut: Option<Cut>,
}

/// Why a connection must be cut.
#[derive(Debug, Clone)]
pub(super) struct Cut {
    /// The word for the audit.
    pub(super) reason: &'static str,
    /// What the person reads.
    pub(super) line: String,
}

/// One of them, until it is dropped.
pub struct LiveConnection {
    id: Uuid,
    connections: Connections,
    cut: Wait,
}

impl Connections {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Uuid, Entry>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn enter(&self, id: Uuid, holding: Holding) -> LiveConnection {
        let latch = Latch::new();
        let cut = latch.wait();
        self.with(|all| all.insert(id, Entry { holding, latch, cut: None }));
        LiveConnection { id, connections: self.clone(), cut }
    }

    /// Connections of a user to nodes.
    pub fn of_user(&self, user: &UserName) -> usize {
        let theirs = |entry: &&Entry| entry.holding.node.is_some() && entry.holding.user == *user;
        self.with(|all| all.values().filter(theirs).count())
    }

    /// Connections to nodes, and sessions on them.
    pub fn count(&self) -> (u64, u64) {
        let sessions = |entry: &Entry| entry.holding.sessions.len() as u64;
        let to_node = |entry: &&Entry| entry.holding.node.is_some();
        self.with(|all| {
            let connections = all.values().filter(to_node).count() as u64;
            (connections, all.values().map(sessions).sum())
        })
    }

    /// What each of them is held by; those that others are inside of come last, as they are to be cut.
    pub(super) fn holdings(&self) -> Vec<(Uuid, Holding)> {
        let mut all: Vec<_> =
            self.with(|all| all.iter().map(|(id, entry)| (*id, entry.holding.clone())).collect());
        all.sort_by_key(|(_, holding)| holding.node.is_none());
        all
    }

    /// Cuts one of them, if it still lives.
    pub(super) fn cut(&self, id: Uuid, cut: Cut) {
        self.with(|all| all.get_mut(&id).map(|entry| entry.cut(cut)));
    }

    /// Cuts all of them, with a word for the audit and a line for the people.
    pub fn cut_all(&self, reason: &'static str, line: &str) {
        let cut = Cut { reason, line: line.to_owned() };
        for (id, _) in self.holdings() {
            self.cut(id, cut.clone());
        }
    }
}

impl Entry {
    /// The first reason stands.
    fn cut(&mut self, cut: Cut) {
        self.cut.get_or_insert(cut);
        self.latch.set();
    }
}

impl LiveConnection {
    /// Completes when the connection must be cut.
    pub(super) fn cut(&mut self) -> &mut Wait {
        &mut self.cut
    }

    /// Why it must.
    pub(super) fn why(&self) -> Option<Cut> {
        self.connections.with(|all| all.get(&self.id).and_then(|entry| entry.cut.clone()))
    }

    /// A session has begun.
    pub(super) fn session_begun(&self, session: Uuid) {
        self.holding(|holding| holding.sessions.push(session));
    }

    /// A session has ended.
    pub(super) fn session_ended(&self, session: Uuid) {
        self.holding(|holding| holding.sessions.retain(|other| *other != session));
    }

    fn holding(&self, change: impl FnOnce(&mut Holding)) {
        self.connections.with(|all| all.get_mut(&self.id).map(|entry| change(&mut entry.holding)));
    }
}

impl Drop for LiveConnection {
    fn drop(&mut self) {
        self.connections.with(|all| all.remove(&self.id));
    }
}
