//! The running actors and tasks of one rank, and how they are stopped together.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::join_all;
use pin_project_lite::pin_project;

use crate::actor::Stop;
use crate::counters::Tally;
use crate::inbox::Close;
use crate::latch::Latch;
use crate::task::{Task, spawn_apart};
use crate::time::timeout;

/// How long a stop waits until what was cut is dropped: no time at all unless a task blocks its thread.
const DROPPING: Duration = Duration::from_secs(5);

/// The members of one rank.
#[derive(Default)]
pub(crate) struct Staff {
    stop: Stop,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    last: u64,
    running: BTreeMap<u64, Member>,
    /// Set when the last one has left; there when somebody waits for that.
    gone: Option<Latch>,
}

struct Member {
    name: &'static str,
    inbox: Arc<dyn Close>,
    task: Task<()>,
}

impl Staff {
    /// The signals that stop this rank.
    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Runs `work` as a member, or drops it when the rank drains.
    pub(crate) fn admit<F>(
        self: &Arc<Self>,
        name: &'static str,
        inbox: Arc<dyn Close>,
        tally: Arc<Tally>,
        work: F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut members = self.members();
        if self.stop.drain.is_set() {
            // Not under the lock: what is dropped may be anything.
            drop(members);
            drop(work);
            return;
        }
        members.last += 1;
        let id = members.last;
        tally.began();
        let leaving = Leaving { staff: Arc::clone(self), id, tally };
        // Under the lock, so that the task cannot leave before it is entered.
        let task = spawn_apart(name, Employed { work, leaving });
        members.running.insert(id, Member { name, inbox, task });
    }

    /// Closes the inboxes, and the rank to newcomers.
    pub(crate) fn drain(&self) {
        let members = self.members();
        self.stop.drain.set();
        let inboxes: Vec<_> = members.running.values().map(|member| Arc::clone(&member.inbox)).collect();
        drop(members);
        for inbox in inboxes {
            inbox.close();
        }
    }

    /// Waits until nobody is left.
    pub(crate) async fn gone(&self) {
        let gone = {
            let mut members = self.members();
            if members.running.is_empty() {
                return;
            }
            members.gone.get_or_insert_default().wait()
        };
        gone.await;
    }

    /// Tells all to end, and after `grace` drops who has not. Gives the names of those.
    pub(crate) async fn cut(&self, grace: Duration) -> Vec<&'static str> {
        self.stop.cut.set();
        if timeout(grace, self.gone()).await.is_ok() {
            return Vec::new();
        }
        let late = std::mem::take(&mut self.members().running);
        let names: Vec<_> = late.values().map(|member| member.name).collect();
        let dropped = join_all(late.into_values().map(|member| member.task.cancel()));
        // A task that blocks its thread cannot be dropped; the stop goes on without it.
        if timeout(DROPPING, dropped).await.is_err() {
            log::error!(names:?; "tasks that were cut do not end");
        }
        names
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pin_project! {
    /// The work of a member. When it has ended and all it held is dropped, the member leaves.
    struct Employed<F> {
        #[pin]
        work: F,
        // After `work`: fields are dropped in order.
        leaving: Leaving,
    }
}

impl<F: Future> Future for Employed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().work.poll(cx)
    }
}

/// Takes a member off the list when dropped.
struct Leaving {
    staff: Arc<Staff>,
    id: u64,
    tally: Arc<Tally>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.tally.ended();
        let mut members = self.staff.members();
        let member = members.running.remove(&self.id);
        let gone = if members.running.is_empty() { members.gone.take() } else { None };
        drop(members);
        drop(member);
        if let Some(gone) = gone {
            gone.set();
        }
    }
}
