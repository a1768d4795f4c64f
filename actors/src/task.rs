//! Tasks: units of work that the runtime runs side by side, each safe from the panics of the others.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::runtime;

/// A task ended by a panic. The log has its name; the payload is thrown away, it may hold secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("task `{task}` panicked")]
pub struct Panicked {
    /// Name that the task was given.
    pub task: &'static str,
}

/// A running task. Awaiting it gives its result; dropping it lets the task run on, unobserved.
#[derive(Debug)]
#[must_use = "a dropped task runs on unobserved; call `detach` to say so"]
pub struct Task<T> {
    /// Taken when it is let go of: dropped as it is, it would end the task.
    handle: Option<async_task::Task<Result<T, Panicked>>>,
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.detach();
        }
    }
}

impl<T: Send + 'static> Task<T> {
    /// Lets the task run on with nobody waiting for it.
    pub fn detach(self) {
        drop(self);
    }

    /// Ends the task at the point where it waits next, at once: its future is dropped, destructors run.
    /// Awaiting the answer waits until that has happened; `None` when the task had no result yet.
    pub fn cancel(mut self) -> Cancelled<T> {
        let Some(handle) = self.handle.take() else {
            return Cancelled { gone: std::future::ready(None).boxed() };
        };
        let mut gone = handle.cancel().boxed();
        // The runtime cancels on the first poll, and a caller need not wait for the end.
        match gone.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Cancelled { gone: std::future::ready(result).boxed() },
            Poll::Pending => Cancelled { gone },
        }
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // It is there for as long as the task has not been let go of.
        self.handle.as_mut().map_or(Poll::Pending, |handle| handle.poll_unpin(cx))
    }
}

/// The end of a cancelled task; see [`Task::cancel`].
pub struct Cancelled<T> {
    gone: BoxFuture<'static, Option<Result<T, Panicked>>>,
}

impl<T> Future for Cancelled<T> {
    type Output = Option<Result<T, Panicked>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.gone.poll_unpin(cx)
    }
}

/// Runs `future` as a task of its own, on the thread that runs now. `name` says in logs what kind of task it is.
///
/// A panic ends this task only: it is logged under the name and given to whoever awaits the task.
pub fn spawn<F>(name: &'static str, future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Task { handle: Some(runtime::spawn(guarded(name, future))) }
}

/// Like [`spawn`], on the thread that has the fewest tasks: for work that has nothing to do with what starts it, as a
/// connection with its listener.
pub fn spawn_apart<F>(name: &'static str, future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Task { handle: Some(runtime::spawn_apart(guarded(name, future))) }
}

fn guarded<F: Future>(name: &'static str, future: F) -> impl Future<Output = Result<F::Output, Panicked>> {
    // Combinators, not an `async` block: a block would keep the future twice in the task's memory.
    AssertUnwindSafe(future).catch_unwind().map(move |result| result.map_err(|panic| caught(name, panic)))
}

/// Notes a caught panic in the log.
pub(crate) fn caught(task: &'static str, payload: Box<dyn Any + Send>) -> Panicked {
    // A payload may be anything, also something that panics when dropped.
    std::mem::forget(payload);
    log::error!(task; "task panicked");
    Panicked { task }
}

/// Runs `future` on the calling thread until it is done. For `main` and tests.
pub fn run<F: Future>(future: F) -> F::Output {
    futures_executor::block_on(future)
}

/// From now on panics are written to the log with their place in the source, never with their payload (the
/// standard hook prints that to standard error, and it may quote what a peer sent). For `main`.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| match panic.location() {
        Some(place) => log::error!(file = place.file(), line = place.line(); "panic"),
        None => log::error!("panic"),
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Latch;

    #[test]
    fn a_task_gives_its_result() {
        assert_eq!(run(spawn("sum", async { 1 + 2 })), Ok(3));
    }

    #[test]
    fn a_panic_is_given_to_who_waits() {
        let task = spawn("fragile", async { panic!("on purpose") });
        assert_eq!(run(task), Err::<(), _>(Panicked { task: "fragile" }));
    }

    #[test]
    fn a_panic_names_the_task_and_hides_the_payload() {
        let text = Panicked { task: "fragile" }.to_string();
        assert_eq!(text, "task `fragile` panicked");
    }

    #[test]
    fn a_dropped_task_runs_on() {
        let done = Latch::new();
        let set = done.clone();
        spawn("detached", async move { set.set() }).detach();
        run(done.wait());
    }

    /// Sets a latch when dropped.
    struct OnDrop(Latch);

    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.set();
        }
    }

    fn endless(dropped: &Latch) -> (Task<()>, Latch) {
        let (guard, started) = (OnDrop(dropped.clone()), Latch::new());
        let starting = started.clone();
        let task = spawn("endless", async move {
            let _guard = guard;
            starting.set();
            std::future::pending::<()>().await;
        });
        (task, started)
    }

    #[test]
    fn cancelling_drops_what_the_task_held() {
        run(async {
            let dropped = Latch::new();
            let (task, started) = endless(&dropped);
            started.wait().await;
            assert_eq!(task.cancel().await, None);
            assert!(dropped.is_set());
        });
    }

    #[test]
    fn cancelling_needs_no_waiting() {
        run(async {
            let dropped = Latch::new();
            let (task, started) = endless(&dropped);
            started.wait().await;
            drop(task.cancel());
            dropped.wait().await;
        });
    }
}
