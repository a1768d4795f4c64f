//! Work that blocks its thread (passwords to keys, files, name look-ups), on threads kept for it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs `work` on the pool of blocking threads and gives its result.
///
/// The work begins when this is called and runs to its end, also when nobody waits for it any more. A panic in it
/// is a panic of the task that waits.
pub fn run<T, W>(work: W) -> impl Future<Output = T> + Send + use<T, W>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    let (done, result) = crate::reply();
    // Detached: a pool's task that is dropped before it has begun never runs.
    blocking::unblock(move || done.answer(catch_unwind(AssertUnwindSafe(work)))).detach();
    async move {
        match result.await {
            Ok(result) => result.unwrap_or_else(|panic| resume_unwind(panic)),
            // The work answers, whatever becomes of it.
            Err(crate::Dropped) => unreachable!("work on the pool has not answered"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    #[test]
    fn work_that_blocks_holds_up_no_task() {
        // As many as the machine has threads for tasks, and more: each blocks until the last has begun.
        let count = std::thread::available_parallelism().map_or(1, usize::from) + 4;
        let barrier = std::sync::Arc::new(std::sync::Barrier::new(count));
        let work = (0..count).map(|_| {
            let barrier = barrier.clone();
            super::run(move || barrier.wait().is_leader())
        });
        let leaders = crate::run(futures_util::future::join_all(work));
        assert_eq!(leaders.into_iter().filter(|leader| *leader).count(), 1);
    }

    #[test]
    fn a_panic_reaches_who_waits() {
        let task = crate::spawn("caller", async { super::run(|| panic!("on purpose")).await });
        assert_eq!(crate::run(task), Err::<(), _>(crate::Panicked { task: "caller" }));
    }

    #[test]
    fn work_goes_on_when_nobody_waits() {
        let (sender, receiver) = mpsc::channel();
        drop(super::run(move || sender.send(1)));
        assert_eq!(receiver.recv(), Ok(1));
    }
}
