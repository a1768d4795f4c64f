//! The runtime: a thread for each processor, each with its own queue, its own timers and its own poller.
//!
//! A task stays with the thread that it was given to, and a socket with the thread that first waited for it. So what
//! wakes a connection is found by the very thread that runs it: no other thread is woken, no socket is armed again, and
//! an event costs one system call.

mod source;
mod timers;
mod worker;

pub(crate) use source::{Done, Source};
pub(crate) use timers::Alarm;

use std::future::Future;
use std::sync::LazyLock;

use worker::Worker;

/// The threads. They start with the first task, socket or timer, and live as long as the process.
static WORKERS: LazyLock<Vec<&'static Worker>> = LazyLock::new(|| {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = (0..count).map(Worker::start).collect::<std::io::Result<_>>();
    // Without them nothing can run, not even a stop in order.
    workers.unwrap_or_else(|error| panic!("the runtime cannot start: {error}"))
});

/// The thread that has the fewest tasks.
fn idlest() -> &'static Worker {
    let (first, rest) = WORKERS.split_first().unwrap_or_else(|| unreachable!("there is always one thread"));
    rest.iter().fold(first, |least, worker| if worker.load() < least.load() { worker } else { least })
}

/// The thread that is running, or one of the runtime's for others that wait.
fn here() -> &'static Worker {
    Worker::current().unwrap_or_else(idlest)
}

/// Runs a future as a task on the thread that runs now, or on the idlest.
pub(crate) fn spawn<F>(future: F) -> async_task::Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    here().spawn(future)
}

/// Runs a future as a task on the idlest thread.
pub(crate) fn spawn_apart<F>(future: F) -> async_task::Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    idlest().spawn(future)
}
