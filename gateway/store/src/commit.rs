//! The commit thread: takes what waits, puts it into one transaction with one fsync, answers each.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::answer::{Answer, CommitHandle, answer};
use crate::apply::{Applied, apply};
use crate::environment::{Ceiling, Environment};
use crate::watch::ChangeLog;
use crate::{Batch, Change, CommitError};

/// How many batches may wait.
const MAX_WAITING: usize = 16 * 1024;
/// How many bytes of batches may wait.
const MAX_WAITING_BYTES: usize = 64 << 20;
/// How many batches share a transaction.
const MAX_GROUP: usize = 1024;
/// How many bytes of batches share a transaction.
const MAX_GROUP_BYTES: usize = 8 << 20;

struct Waiting {
    batch: Batch,
    bytes: usize,
    answer: Answer,
}

/// Batches that wait for the commit thread.
#[derive(Default)]
pub(crate) struct Queue {
    line: Mutex<Line>,
    arrived: Condvar,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a valid batch of so many bytes.
    pub(crate) fn push(&self, batch: Batch, bytes: usize) -> CommitHandle {
        let (answer, handle) = answer();
        let mut line = self.lock();
        if line.closed {
            answer.give(Err(CommitError::Closed));
        } else if line.waiting.len() >= MAX_WAITING || line.bytes + bytes > MAX_WAITING_BYTES {
            answer.give(Err(CommitError::Busy));
        } else {
            line.bytes += bytes;
            line.waiting.push_back(Waiting { batch, bytes, answer });
            self.arrived.notify_one();
        }
        handle
    }

    /// Takes no more; what waits is still committed.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_one();
    }

    /// What the next transaction takes; `None` when the queue is closed and empty.
    fn take_group(&self) -> Option<Vec<Waiting>> {
        let mut line = self.lock();
        while line.waiting.is_empty() {
            if line.closed {
                return None;
            }
            line = self.arrived.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(first) = line.waiting.front()
            && (group.is_empty() || (group.len() < MAX_GROUP && bytes + first.bytes <= MAX_GROUP_BYTES))
        {
            bytes += first.bytes;
            group.extend(line.waiting.pop_front());
        }
        line.bytes -= bytes;
        Some(group)
    }
}

/// Closes the queue and the watches however the commit thread ends, and answers what waits.
struct Ending {
    queue: Arc<Queue>,
    changes: Arc<ChangeLog>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let mut line = self.queue.lock();
        line.closed = true;
        let left = std::mem::take(&mut line.waiting);
        drop(line);
        drop(left);
        self.changes.close();
    }
}

/// The body of the commit thread; returns when the queue is closed and empty.
pub(crate) fn run(environment: &Environment, queue: Arc<Queue>, changes: Arc<ChangeLog>) {
    let ending = Ending { queue, changes };
    while let Some(group) = ending.queue.take_group() {
        commit(environment, &ending.changes, group);
    }
}

fn commit(environment: &Environment, changes: &ChangeLog, group: Vec<Waiting>) {
    match transact(environment, &group, Ceiling::Ordinary) {
        Ok(applied) => finish(changes, group, applied),
        // One batch that does not fit must not keep out those that do, and an essential one may use the reserve.
        Err(CommitError::Full) => {
            for waiting in group {
                let ceiling =
                    if waiting.batch.is_essential() { Ceiling::Essential } else { Ceiling::Ordinary };
                let alone = vec![waiting];
                match transact(environment, &alone, ceiling) {
                    Ok(applied) => finish(changes, alone, applied),
                    Err(error) => refuse(alone, &error),
                }
            }
        }
        Err(error) => refuse(group, &error),
    }
}

fn transact(environment: &Environment, group: &[Waiting], ceiling: Ceiling) -> Result<Applied, CommitError> {
    let faults = environment.options.faults();
    let write = |txn: &mut heed::RwTxn<'_>, tables: &_| {
        apply(txn, tables, &faults, group.iter().map(|waiting| &waiting.batch))
    };
    let applied = environment.write(ceiling, write, || faults.step())?;
    // Only stopping the process has a meaning here: what is on disk is on disk.
    let _ = faults.step();
    Ok(applied)
}

fn refuse(group: Vec<Waiting>, error: &CommitError) {
    log::error!("{} commits failed: {error}", group.len());
    for waiting in group {
        waiting.answer.give(Err(error.clone()));
    }
}

/// Publishes before it answers: who has an answer finds its change in every watch.
fn finish(changes: &ChangeLog, group: Vec<Waiting>, applied: Applied) {
    let mut done = Vec::new();
    let mut answers = Vec::with_capacity(group.len());
    for (Waiting { batch, answer, .. }, outcome) in group.into_iter().zip(applied.outcomes) {
        if let Ok(revision) = outcome {
            let change = |write: crate::batch::Write| Change {
                revision,
                keyspace: write.keyspace,
                key: write.key,
                value: write.value,
            };
            done.extend(batch.writes.into_iter().map(change));
        }
        answers.push((answer, outcome));
    }
    changes.publish(applied.newest, done);
    for (answer, outcome) in answers {
        answer.give(outcome);
    }
}
