//! What every part of the gateway reaches. Made once, at the start.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use mezite_actors::Supervisor;
use mezite_store::Store;

use crate::audit::Auditor;
use crate::authority::Authority;
use crate::config::Config;

/// The parts that all others use.
pub struct Shared {
    /// The settings.
    pub config: Config,
    /// The store.
    pub store: Store,
    /// Events that go with no change of the store.
    pub auditor: Auditor,
    /// Who starts and stops actors.
    pub supervisor: Supervisor,
    /// Who signs.
    pub authority: Authority,
    /// When the gateway was started.
    pub started: Timestamp,
    /// Where it listens; set once it does.
    pub addresses: OnceLock<Addresses>,
    pub(crate) stopping: AtomicBool,
}

/// Where the gateway listens, with real ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// SSH and `CONNECT`.
    pub ssh: SocketAddr,
    /// HTTPS.
    pub https: Vec<SocketAddr>,
}

impl Shared {
    /// Whether everything listens and nothing stops.
    pub fn is_ready(&self) -> bool {
        self.addresses.get().is_some() && !self.stopping.load(Ordering::Relaxed)
    }
}
