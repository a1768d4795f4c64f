//! Checking the chain: what was changed, removed, added, re-ordered or cut off is found, and which event it is.

use heed::RoTxn;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{hex_digest, index, split};
use crate::ReadError;
use crate::environment::{Environment, Tables};
use crate::state::State;

/// Events checked in one transaction: a long check must not keep old pages in use.
const STRIDE: u64 = 4096;

/// What is wrong with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Tampering {
    /// It is not there though a later one is, or the chain's end says that it was.
    #[error("it is missing")]
    Missing,
    /// It comes after the chain's end.
    #[error("it was added behind the end of the chain")]
    Added,
    /// It is not an event as the store writes them.
    #[error("it cannot be read")]
    Unreadable,
    /// It says another number than it has.
    #[error("it has another number inside")]
    Renumbered,
    /// It is not chained to the event before it, nor the next one to it.
    #[error("it is not chained to the events beside it")]
    Unchained,
    /// What follows was chained to another event of its number.
    #[error("it was changed")]
    Changed,
    /// The chain's clock does not fit its time.
    #[error("its clock does not fit its time")]
    Clock,
    /// Some filter would not find it.
    #[error("the index lacks it")]
    Unindexed,
}

/// The first event that is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("audit event {seq}: {tampering}")]
pub struct AuditFault {
    /// Its number.
    pub seq: u64,
    /// What is wrong.
    pub tampering: Tampering,
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditReport {
    /// Events that are as they were written.
    pub checked: u64,
    /// Where the check stopped, if anything is wrong.
    pub fault: Option<AuditFault>,
}

/// What is known of the chain up to an event.
struct Link {
    hash: String,
    clock: i64,
}

pub(crate) fn verify(environment: &Environment, first: u64, last: u64) -> Result<AuditReport, ReadError> {
    let mut report = AuditReport { checked: 0, fault: None };
    let mut link = None;
    let mut next = first;
    loop {
        let end = next.saturating_add(STRIDE);
        let finished = environment.read(|txn, tables| {
            let state = State::load(txn, tables.state)?;
            let mut before = match link.take() {
                Some(link) => link,
                None => link_before(txn, tables, next)?,
            };
            while next <= last && next < end {
                match check(txn, tables, &state, next, &before)? {
                    Checked::Good(link) => before = link,
                    Checked::End => return Ok(true),
                    Checked::Bad(fault) => {
                        report.fault = Some(fault);
                        return Ok(true);
                    }
                }
                report.checked += 1;
                let Some(following) = next.checked_add(1) else { return Ok(true) };
                next = following;
            }
            link = Some(before);
            Ok::<_, ReadError>(next > last)
        })?;
        if finished {
            return Ok(report);
        }
    }
}

enum Checked {
    Good(Link),
    End,
    Bad(AuditFault),
}

fn check(txn: &RoTxn<'_>, tables: &Tables, state: &State, seq: u64, before: &Link) -> heed::Result<Checked> {
    let bad = |tampering| Ok(Checked::Bad(AuditFault { seq, tampering }));
    let Some(stored) = tables.audit.get(txn, &seq.to_be_bytes())? else {
        let later = index::Numbers::all(tables).at_or_after(txn, seq)?;
        let expected = seq <= state.audit_seq || later.is_some();
        return if expected { bad(Tampering::Missing) } else { Ok(Checked::End) };
    };
    if seq > state.audit_seq {
        return bad(Tampering::Added);
    }
    let Some((clock, hash, event)) = read(stored) else { return bad(Tampering::Unreadable) };
    if event.get("seq").and_then(Value::as_u64) != Some(seq) {
        bad(Tampering::Renumbered)
    } else if event.get("prev").and_then(Value::as_str) != Some(&before.hash) {
        if vouched(txn, tables, state, seq, &hash)? {
            // This one is as it was written, so it is the one before that is not.
            return Ok(Checked::Bad(AuditFault { seq: seq - 1, tampering: Tampering::Changed }));
        }
        bad(Tampering::Unchained)
    } else if seq == state.audit_seq && hash != state.audit_hash {
        bad(Tampering::Changed)
    } else if time(&event).map(|time| time.max(before.clock)) != Some(clock) {
        bad(Tampering::Clock)
    } else if !index::covers(txn, tables, &event, seq)? {
        bad(Tampering::Unindexed)
    } else {
        Ok(Checked::Good(Link { hash, clock }))
    }
}

/// The chain's clock, the digest and the fields of a stored event.
fn read(stored: &[u8]) -> Option<(i64, String, Map<String, Value>)> {
    let (clock, json) = split(stored)?;
    Some((clock, hex_digest(json), serde_json::from_slice(json).ok()?))
}

/// Whether what comes after event `seq` was chained to one with this digest.
fn vouched(txn: &RoTxn<'_>, tables: &Tables, state: &State, seq: u64, hash: &str) -> heed::Result<bool> {
    if seq == state.audit_seq {
        return Ok(hash == state.audit_hash);
    }
    let next = tables.audit.get(txn, &(seq + 1).to_be_bytes())?;
    let next = next.and_then(read).and_then(|(_, _, event)| Some(event.get("prev")?.as_str()? == hash));
    Ok(next == Some(true))
}

fn time(event: &Map<String, Value>) -> Option<i64> {
    let time: Timestamp = event.get("time")?.as_str()?.parse().ok()?;
    Some(time.as_microsecond())
}

/// The link to the event before `seq`, taken as it is: it was not asked to be checked.
fn link_before(txn: &RoTxn<'_>, tables: &Tables, seq: u64) -> heed::Result<Link> {
    let stored = match seq.checked_sub(1) {
        Some(before) => tables.audit.get(txn, &before.to_be_bytes())?,
        None => None,
    };
    Ok(match stored.and_then(split) {
        Some((clock, json)) => Link { hash: hex_digest(json), clock },
        None => Link { hash: State::default().audit_hash, clock: 0 },
    })
}
