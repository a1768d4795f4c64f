//! The auditor: events that go with no change of the store. A change carries its events in its own batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mezite_store::{AuditEntry, Batch, CommitError, Store};

/// Who did what the gateway does by itself.
pub const GATEWAY: &str = "gateway";

/// Appends events to the audit log. A clone appends to the same log.
#[derive(Clone)]
pub struct Auditor {
    store: Store,
    writable: Arc<AtomicBool>,
}

impl Auditor {
    /// The auditor of a store.
    pub fn new(store: Store) -> Self {
        Self { store, writable: Arc::new(AtomicBool::new(true)) }
    }

    /// Appends an event; ready once it is on disk. For what must not happen without its event.
    pub async fn record(&self, event: AuditEntry) -> Result<(), CommitError> {
        let committed = self.store.commit(Batch::new().audit(event)).await;
        self.writable.store(committed.is_ok(), Ordering::Relaxed);
        committed.map(drop)
    }

    /// Appends the event of a refusal before anybody hears of it. A refusal stands also where that fails.
    pub async fn record_refusal(&self, event: AuditEntry) {
        if let Err(error) = self.record(event).await {
            log::error!(error:%; "the audit event of a refusal is lost");
        }
    }

    /// Appends an event without waiting, for what has happened and cannot be taken back. That it failed is logged.
    pub fn note(&self, event: AuditEntry) {
        let auditor = self.clone();
        let written = async move {
            if let Err(error) = auditor.record(event).await {
                log::error!(error:%; "an audit event is lost");
            }
        };
        mezite_actors::spawn("audit note", written).detach();
    }

    /// Whether the last event could be written.
    pub fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Relaxed)
    }
}
