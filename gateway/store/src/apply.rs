//! One transaction's work: judge each batch, apply those that hold, save the state.

use heed::RwTxn;
use jiff::Timestamp;

use crate::audit;
use crate::batch::Requirement;
use crate::environment::Tables;
use crate::faults::Faults;
use crate::state::State;
use crate::{Batch, CommitError, Precondition, Revision, record};

/// What became of the batches of a transaction, in their order, and the revision it ends with.
pub(crate) struct Applied {
    pub(crate) outcomes: Vec<Result<Revision, CommitError>>,
    pub(crate) newest: Revision,
}

/// Applies every batch whose preconditions hold after those before it. An error spoils the whole transaction.
pub(crate) fn apply<'b>(
    txn: &mut RwTxn<'_>,
    tables: &Tables,
    faults: &Faults,
    batches: impl Iterator<Item = &'b Batch>,
) -> heed::Result<Applied> {
    let mut state = State::load(txn, tables.state)?;
    let now = Timestamp::now();
    let mut outcomes = Vec::new();
    for batch in batches {
        let judged = judge(txn, tables, &batch.requirements)?;
        if judged.is_ok() {
            state.revision += 1;
            write(txn, tables, faults, state.revision, batch)?;
            for entry in &batch.entries {
                faults.step()?;
                audit::append(txn, tables, &mut state, entry, now)?;
            }
        }
        outcomes.push(judged.map(|()| state.revision));
    }
    faults.step()?;
    state.save(txn, tables.state)?;
    Ok(Applied { outcomes, newest: state.revision })
}

fn judge(
    txn: &RwTxn<'_>,
    tables: &Tables,
    requirements: &[Requirement],
) -> heed::Result<Result<(), CommitError>> {
    for Requirement { keyspace, key, precondition } in requirements {
        let stored = tables.keyspace(*keyspace).get(txn, key)?;
        let found = match stored.map(|stored| record::decode(keyspace.name(), key, stored)) {
            Some(None) => return Ok(Err(CommitError::Damaged { keyspace: *keyspace, key: key.clone() })),
            Some(Some((revision, _))) => Some(revision),
            None => None,
        };
        let holds = match precondition {
            Precondition::Absent => found.is_none(),
            Precondition::Present => found.is_some(),
            Precondition::Revision(expected) => found == Some(*expected),
        };
        if !holds {
            let (keyspace, key, expected) = (*keyspace, key.clone(), *precondition);
            return Ok(Err(CommitError::Conflict { keyspace, key, expected, found }));
        }
    }
    Ok(Ok(()))
}

fn write(
    txn: &mut RwTxn<'_>,
    tables: &Tables,
    faults: &Faults,
    revision: Revision,
    batch: &Batch,
) -> heed::Result<()> {
    for write in &batch.writes {
        faults.step()?;
        let table = tables.keyspace(write.keyspace);
        match &write.value {
            Some(value) => {
                table.put(
                    txn,
                    &write.key,
                    &record::encode(write.keyspace.name(), &write.key, revision, value),
                )?;
            }
            None => {
                table.delete(txn, &write.key)?;
            }
        }
    }
    Ok(())
}
