//! The auditor: events that go with no change of the store. A change carries its events in its own batch.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mezite_store::{AuditEntry, Batch, CommitError, Store};

/// Who did what the gateway does by itself.
pub const GATEWAY: &str = "gateway";

/// Notes wait so long for others that may share their commit: a session and its connection end together.
const GATHERING: Duration = Duration::from_millis(10);
/// More notes than this do not wait.
const MAX_GATHERED: usize = 64;

/// Appends events to the audit log. A clone appends to the same log.
#[derive(Clone)]
pub struct Auditor {
    store: Store,
    writable: Arc<AtomicBool>,
    /// Notes in their order, for the next commit.
    notes: Arc<Mutex<Vec<AuditEntry>>>,
}

impl Auditor {
    /// The auditor of a store.
    pub fn new(store: Store) -> Self {
        Self { store, writable: Arc::new(AtomicBool::new(true)), notes: Arc::default() }
    }

    /// Appends an event; ready once it is on disk. For what must not happen without its event.
    pub async fn record(&self, event: AuditEntry) -> Result<(), CommitError> {
        // What was noted before is written before.
        let noted = self.write_notes();
        let committed = self.store.commit(Batch::new().audit(event));
        noted.await;
        let committed = committed.await;
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
        let waiting = {
            let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
            notes.push(event);
            notes.len()
        };
        // Those in between go with the first of them, or with the next event that is recorded.
        if waiting == 1 || waiting == MAX_GATHERED {
            let auditor = self.clone();
            let written = async move {
                if waiting == 1 {
                    mezite_actors::time::sleep(GATHERING).await;
                }
                auditor.write_notes().await;
            };
            mezite_actors::spawn("audit note", written).detach();
        }
    }

    /// Begins to write what was noted, in one commit; ready once that is on disk.
    fn write_notes(&self) -> impl Future<Output = ()> + Send + use<> {
        let notes = std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        let count = notes.len();
        let batch = notes.into_iter().fold(Batch::new(), Batch::audit);
        let committed = (count > 0).then(|| self.store.commit(batch));
        let writable = self.writable.clone();
        async move {
            let Some(committed) = committed else { return };
            let committed = committed.await;
            writable.store(committed.is_ok(), Ordering::Relaxed);
            if let Err(error) = committed {
                log::error!(error:%, count; "audit events are lost");
            }
        }
    }

    /// Whether the last event could be written.
    pub fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use mezite_store::{AuditFilter, Options};

    use super::*;

    fn types(store: &Store) -> Vec<String> {
        let page = store.audit_page(&AuditFilter::default()).unwrap();
        let kind =
            |event: &mezite_store::AuditEvent| event.fields().unwrap()["type"].as_str().unwrap().to_owned();
        page.events.iter().map(kind).collect()
    }

    #[test]
    fn notes_share_a_commit_and_come_before_what_is_recorded_after_them() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let auditor = Auditor::new(store.clone());
        let before = store.revision().unwrap();
        auditor.note(AuditEntry::new("session.end"));
        auditor.note(AuditEntry::new("connection.close"));
        mezite_actors::run(auditor.record(AuditEntry::new("gateway.stop"))).unwrap();
        assert_eq!(types(&store), ["session.end", "connection.close", "gateway.stop"]);
        assert_eq!(store.revision().unwrap() - before, 2);
    }

    #[test]
    fn notes_are_written_without_anything_that_follows() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let auditor = Auditor::new(store.clone());
        for _ in 0..=2 * MAX_GATHERED {
            auditor.note(AuditEntry::new("connection.close"));
        }
        let started = Instant::now();
        while types(&store).len() < 2 * MAX_GATHERED + 1 {
            assert!(started.elapsed() < Duration::from_secs(30), "they are not written");
            mezite_actors::run(mezite_actors::time::sleep(Duration::from_millis(1)));
        }
    }
}
