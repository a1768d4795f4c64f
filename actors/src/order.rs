//! The order in which actors may wait for one another, and its check.
//!
//! Two actors that wait for each other's answer wait for ever. So every actor has a [`Rank`], and who waits, waits
//! only for a later rank: [`ask`](crate::Addr::ask) for an answer, a task in [`send`](crate::Addr::send) or
//! [`poll_space`](crate::Addr::poll_space) for room. [`offer`](crate::Addr::offer) never waits and goes in any
//! direction. Debug builds panic at the first step out of order, whether or not it would have met its partner; what
//! an actor hands to a spawned task is out of sight of the check, and must keep to the order too.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// Where an actor stands in the order of waiting: each may wait for those below it in this list, never for its own
/// rank or those above. Stopping goes the same way: who asks ends before who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// Doors and what lives as long as a connection: listeners, relays, HTTP.
    Front,
    /// What relays need on the way to a node.
    Dialer,
    /// What takes note of connections: recorders, the auditor.
    Recorder,
    /// Nodes, roles, users, locks; decisions.
    Inventory,
    /// Keys and signing.
    Ca,
    /// What is written to disk for good.
    Store,
}

impl Rank {
    /// All ranks in order.
    pub const ALL: [Self; 6] =
        [Self::Front, Self::Dialer, Self::Recorder, Self::Inventory, Self::Ca, Self::Store];
}

/// What all actors of one type have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Name in logs and counters; one kind, one name.
    pub name: &'static str,
    /// Place in the order of waiting.
    pub rank: Rank,
    /// Messages that the inbox holds, at least one.
    pub capacity: usize,
}

/// Who runs on this thread right now.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    /// An actor, not a supervised task: others may wait for it to come back to its inbox.
    pub(crate) actor: bool,
}

thread_local! {
    static HERE: Cell<Option<Place>> = const { Cell::new(None) };
}

/// Checks, in debug builds, that whoever runs here may wait for `target`.
pub(crate) fn check_wait(target: &Kind) {
    if cfg!(debug_assertions)
        && let Some(Place { kind: here, .. }) = HERE.get()
    {
        assert!(
            here.rank < target.rank,
            "wait order: `{}` ({:?}) waits for `{}` ({:?})",
            here.name,
            here.rank,
            target.name,
            target.rank
        );
    }
}

/// Checks, in debug builds, that whoever runs here may wait for room in the inbox of `target`.
pub(crate) fn check_wait_for_room(target: &Kind) {
    if cfg!(debug_assertions)
        && let Some(Place { kind: here, actor: true }) = HERE.get()
    {
        panic!("wait order: actor `{}` waits for room at `{}`; actors offer or ask", here.name, target.name);
    }
    check_wait(target);
}

pin_project! {
    /// Runs a future as the work of `place`.
    pub(crate) struct Inside<F> {
        #[pin]
        future: F,
        place: Place,
    }
}

/// Marks `future` as the work of `place`.
pub(crate) fn inside<F: Future>(place: Place, future: F) -> Inside<F> {
    Inside { future, place }
}

impl<F: Future> Future for Inside<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _back = cfg!(debug_assertions).then(|| Back(HERE.replace(Some(*this.place))));
        this.future.poll(cx)
    }
}

/// Puts back who ran before, also when the future panics.
struct Back(Option<Place>);

impl Drop for Back {
    fn drop(&mut self) {
        HERE.set(self.0);
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn kind(rank: Rank) -> Kind {
        Kind { name: "test", rank, capacity: 1 }
    }

    fn may(here: Rank, actor: bool, check: fn(&Kind), target: Rank) -> bool {
        let work = inside(Place { kind: kind(here), actor }, async move { check(&kind(target)) });
        catch_unwind(AssertUnwindSafe(|| work.now_or_never())).is_ok()
    }

    #[test]
    fn waiting_goes_down_the_list_only() {
        for (at, here) in Rank::ALL.into_iter().enumerate() {
            for (below, target) in Rank::ALL.into_iter().enumerate() {
                assert_eq!(may(here, true, check_wait, target), at < below, "{here:?} waits for {target:?}");
            }
        }
    }

    #[test]
    fn only_tasks_wait_for_room() {
        assert!(may(Rank::Front, false, check_wait_for_room, Rank::Store));
        assert!(!may(Rank::Front, true, check_wait_for_room, Rank::Store));
        assert!(!may(Rank::Store, false, check_wait_for_room, Rank::Front));
    }

    #[test]
    fn outside_of_actors_everything_may_be_waited_for() {
        check_wait(&kind(Rank::Front));
        check_wait_for_room(&kind(Rank::Front));
    }

    #[test]
    fn a_panic_leaves_nobody_behind() {
        assert!(!may(Rank::Store, true, check_wait, Rank::Front));
        check_wait(&kind(Rank::Front));
    }
}
