//! The work of a task that owns sockets: rounds until nothing moves, with turns for others.

use std::task::{Context, Poll};

/// Rounds before other tasks get their turn.
const MAX: usize = 32;

/// Works until a round says that nothing moved, or is over with its end.
pub(crate) fn poll<E>(
    cx: &mut Context<'_>,
    mut round: impl FnMut(&mut Context<'_>) -> Result<bool, E>,
) -> Poll<E> {
    for _ in 0..MAX {
        match round(cx) {
            Ok(true) => {}
            Ok(false) => return Poll::Pending,
            Err(end) => return Poll::Ready(end),
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}
