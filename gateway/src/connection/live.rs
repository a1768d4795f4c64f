//! The connections that live now: counted for limits and status, and reached to be cut.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mezite_actors::{Latch, Wait};
use mezite_api::UserName;
use uuid::Uuid;

use super::authentication::Entered;

/// All of them.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<HashMap<Uuid, Entry>>>);

struct Entry {
    user: UserName,
    sessions: u64,
    cut: Latch,
    line: Option<String>,
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

    pub(super) fn enter(&self, id: Uuid, entered: &Entered) -> LiveConnection {
        let cut = Latch::new();
        let wait = cut.wait();
        let entry = Entry { user: entered.grant.user.name.clone(), sessions: 0, cut, line: None };
        self.with(|all| all.insert(id, entry));
        LiveConnection { id, connections: self.clone(), cut: wait }
    }

    /// Connections of a user.
    pub fn of_user(&self, user: &UserName) -> usize {
        self.with(|all| all.values().filter(|entry| entry.user == *user).count())
    }

    /// Connections, and sessions on them.
    pub fn count(&self) -> (u64, u64) {
        self.with(|all| (all.len() as u64, all.values().map(|entry| entry.sessions).sum()))
    }

    /// Cuts all of them, with a line for the people.
    pub fn cut_all(&self, line: &str) {
        self.with(|all| {
            for entry in all.values_mut() {
                entry.line = Some(line.to_owned());
                entry.cut.set();
            }
        });
    }
}

impl LiveConnection {
    /// Completes when the connection must be cut.
    pub(super) fn cut(&mut self) -> &mut Wait {
        &mut self.cut
    }

    /// Why it must.
    pub(super) fn cut_line(&self) -> Option<String> {
        self.connections.with(|all| all.get(&self.id).and_then(|entry| entry.line.clone()))
    }

    /// A session has begun (`1`) or ended (`-1`).
    pub(super) fn count_session(&self, by: i64) {
        self.connections.with(|all| {
            if let Some(entry) = all.get_mut(&self.id) {
                entry.sessions = entry.sessions.saturating_add_signed(by);
            }
        });
    }
}

impl Drop for LiveConnection {
    fn drop(&mut self) {
        self.connections.with(|all| all.remove(&self.id));
    }
}
