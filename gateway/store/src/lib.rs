//! What the gateway keeps: ordered keyspaces, commits that are all or nothing, changes in order, and the audit chain.
//!
//! A [`Batch`] holds preconditions, writes and audit events. [`Store::commit`] puts it on disk whole or not at all
//! and answers after that; batches that wait are grouped into one transaction with one fsync, each judged by its own
//! preconditions. Reads are synchronous and see one snapshot. [`Store::watch`] delivers every change in order.
//!
//! Events of the audit log are chained: each carries the SHA-256 of the one before. A change and its event are in the
//! same transaction, so that neither is ever there without the other.
//!
//! Behind this interface is LMDB; nothing outside this crate may know.
//!
//! ```no_run
//! # use mezite_store::{AuditEntry, Batch, Keyspace, Options, Precondition, Store};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::open("/var/lib/mezite/store", Options::default())?;
//! let batch = Batch::new()
//!     .require(Keyspace::Nodes, b"db-1", Precondition::Absent)
//!     .put(Keyspace::Nodes, b"db-1", br#"{"kind":"node"}"#.as_slice())
//!     .audit(AuditEntry::new("node.create").with("actor", "alice").with("node", "db-1"));
//! let revision = store.commit(batch).wait()?;
//! assert_eq!(store.get(Keyspace::Nodes, b"db-1")?.map(|found| found.revision), Some(revision));
//! # Ok(())
//! # }
//! ```

mod answer;
mod apply;
mod audit;
mod batch;
mod commit;
mod environment;
mod error;
mod faults;
mod keyspace;
mod options;
mod owner;
mod record;
mod snapshot;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod watch;

pub use answer::CommitHandle;
pub use audit::{
    AuditEntry, AuditEvent, AuditFault, AuditFilter, AuditHead, AuditPage, AuditReport, Tampering,
};
pub use batch::{Batch, Precondition};
pub use error::{CommitError, InvalidBatch, OpenError, ReadError};
#[cfg(any(test, feature = "faults"))]
pub use faults::{FaultAction, Faults};
pub use keyspace::Keyspace;
pub use options::Options;
pub use record::{Revision, Versioned};
pub use snapshot::{Entry, Snapshot};
pub use store::Store;
pub use watch::{Change, Lagged, Watch};

/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 400;
