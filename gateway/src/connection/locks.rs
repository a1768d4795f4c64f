//! What lives and may not any more: the inventory says which it is, by locks or because a user is gone, and that is cut.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::Either;
use mezite_actors::{Kind, Rank, Stop, time};
use uuid::Uuid;

use super::Services;
use super::live::Cut;
use crate::inventory::{Holding, LockWatch, Refusal};
use crate::race::race;
use mezite_api::rotation::CaKeyInfo;

/// The task, for the supervisor. It goes on while the doors drain: what lives then can still be locked.
pub const LOCKS: Kind = Kind { name: "locks", rank: Rank::Recorder, capacity: 1 };

/// Before the inventory is asked again that did not answer.
const PAUSE: Duration = Duration::from_millis(100);

/// Cuts what may not live any more, until it is stopped. Where it fails the gateway stops: locks must hold.
pub async fn enforce(services: Arc<Services>, changes: LockWatch, stop: Stop) {
    let work = std::panic::AssertUnwindSafe(services.clone().follow(changes)).catch_unwind();
    if let Either::Left(ended) = race(work, stop.drain.wait()).await {
        log::error!(panicked = ended.is_err(); "locks are not followed any more");
        services.shared.supervisor.failed().set();
    }
}

impl Services {
    async fn follow(self: Arc<Self>, mut changes: LockWatch) {
        while changes.changed().await.is_some() {
            while let Err(error) = self.cut_lost(self.connections.holdings()).await {
                log::error!(error:%; "it is not known which connections must end");
                time::sleep(PAUSE).await;
            }
        }
    }

    /// Cuts a connection that has just come to live, where that has changed while it was on its way.
    pub(super) async fn cut_if_lost(&self, id: Uuid, holding: Holding) {
        if !self.shared.authority.trusts(holding.ca_keys.clone()).await.unwrap_or(false) {
            self.connections.cut(id, rotated());
        }
        if let Err(error) = self.cut_lost(vec![(id, holding)]).await {
            self.cut_for(id, &Refusal::Unavailable(error.to_string()));
        }
    }

    /// Cuts what was believed, or let in, for a certificate by one of these keys; how many that were.
    pub(crate) fn cut_resting_on(&self, keys: &[CaKeyInfo]) -> u64 {
        let rests = |holding: &Holding| keys.iter().any(|key| holding.ca_keys.contains(&key.fingerprint));
        let resting: Vec<_> =
            self.connections.holdings().into_iter().filter(|(_, holding)| rests(holding)).collect();
        for (id, _) in &resting {
            self.connections.cut(*id, rotated());
        }
        resting.len() as u64
    }

    async fn cut_lost(
        &self,
        connections: Vec<(Uuid, Holding)>,
    ) -> Result<(), crate::inventory::InventoryError> {
        for (id, refusal) in self.inventory.lost(connections).await? {
            self.cut_for(id, &refusal);
        }
        Ok(())
    }

    fn cut_for(&self, id: Uuid, refusal: &Refusal) {
        self.connections.cut(id, Cut { reason: refusal.cut_reason(), line: refusal.cut_line() });
    }
}

/// A key of our CAs is not believed any more.
fn rotated() -> Cut {
    let line =
        "disconnected: a certificate authority of this cluster was replaced. Log in again with 'msh login'";
    Cut { reason: "ca_key", line: line.to_owned() }
}
