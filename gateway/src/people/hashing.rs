//! Argon2 on the threads for what blocks: a few at once, since each takes 19 MiB, and few that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_lock::Semaphore;
use mezite_actors::blocking;
use mezite_api::{Problem, ProblemCode};

/// So many passwords are hashed or compared at once.
const AT_ONCE: usize = 2;
/// So many more may wait for that: a few seconds' work.
const WAITING: usize = 32;
/// What who finds no place is told to wait, in seconds.
const PAUSE: u64 = 5;

/// The places for it.
pub struct Hashing {
    places: Arc<Semaphore>,
    inside: Arc<AtomicUsize>,
}

impl Default for Hashing {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), inside: Arc::default() }
    }
}

/// Counted from its coming to its going.
struct Inside(Arc<AtomicUsize>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hashing {
    /// Runs `work` when there is a place; a 503 where too many wait already.
    pub async fn run<T, W>(&self, work: W) -> Result<T, Problem>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let before = self.inside.fetch_add(1, Ordering::Relaxed);
        let inside = Inside(Arc::clone(&self.inside));
        if before >= AT_ONCE + WAITING {
            let busy = "too many people log in at once; try again in a moment";
            return Err(Problem::new(ProblemCode::Unavailable, busy).after(PAUSE));
        }
        let place = self.places.acquire_arc().await;
        // The place is held to the end of the work, also when nobody waits for it any more.
        Ok(blocking::run(move || {
            let _held = (place, inside);
            work()
        })
        .await)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn few_run_some_wait_and_the_rest_is_turned_away() {
        let hashing = Arc::new(Hashing::default());
        let (running, count) = (Arc::new(AtomicUsize::new(0)), AT_ONCE + WAITING);
        let (begun, begins) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(std::sync::Mutex::new(released));
        let tasks: Vec<_> = (0..count)
            .map(|_| {
                let (hashing, running) = (Arc::clone(&hashing), Arc::clone(&running));
                let (begun, released) = (begun.clone(), Arc::clone(&released));
                mezite_actors::spawn("login", async move {
                    let work = move || {
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        begun.send(()).unwrap();
                        released.lock().unwrap().recv().unwrap();
                        running.fetch_sub(1, Ordering::SeqCst);
                        now
                    };
                    hashing.run(work).await
                })
            })
            .collect();
        for _ in 0..AT_ONCE {
            begins.recv().unwrap();
        }
        while hashing.inside.load(Ordering::Relaxed) < count {
            std::thread::yield_now();
        }
        let refused = mezite_actors::run(hashing.run(|| ())).unwrap_err();
        assert_eq!((refused.status, refused.retry_after), (503, Some(PAUSE)));
        for _ in 0..count {
            release.send(()).unwrap();
        }
        for task in tasks {
            assert!(mezite_actors::run(task).unwrap().unwrap() <= AT_ONCE);
        }
        mezite_actors::run(hashing.run(|| ())).unwrap();
    }
}
