//! Failing on purpose: a commit calls [`Faults::step`] at each of its steps. Outside tests that is nothing.

#[cfg(any(test, feature = "faults"))]
pub use armed::{FaultAction, Faults};

#[cfg(not(any(test, feature = "faults")))]
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults;

#[cfg(not(any(test, feature = "faults")))]
impl Faults {
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)] // the shape of the armed one
    pub(crate) fn step(&self) -> heed::Result<()> {
        Ok(())
    }
}

#[cfg(any(test, feature = "faults"))]
mod armed {
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};

    /// What happens at the chosen step.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum FaultAction {
        /// The process stops at once, as under `kill -9`.
        Abort,
        /// The disk answers `EIO`.
        Fail,
        /// The disk answers `ENOSPC`, at this step and all that follow, until [`Faults::disarm`].
        DiskFull,
    }

    /// Counts the steps of commits and acts at one of them. Clones share the count.
    #[derive(Debug, Clone, Default)]
    pub struct Faults(Arc<Mutex<Plan>>);

    #[derive(Debug, Default)]
    struct Plan {
        armed: Option<(u64, FaultAction)>,
    }

    impl Faults {
        /// Acts at the `n`-th step from now, counted from 0.
        pub fn arm(&self, n: u64, action: FaultAction) {
            self.plan().armed = Some((n, action));
        }

        /// Takes the plan back; whether there still was one.
        pub fn disarm(&self) -> bool {
            self.plan().armed.take().is_some()
        }

        fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn step(&self) -> heed::Result<()> {
            let mut plan = self.plan();
            let Some((left, action)) = plan.armed else { return Ok(()) };
            if left > 0 {
                plan.armed = Some((left - 1, action));
                return Ok(());
            }
            if action != FaultAction::DiskFull {
                plan.armed = None;
            }
            let errno = match action {
                FaultAction::Abort => std::process::abort(),
                FaultAction::Fail => 5,
                FaultAction::DiskFull => 28,
            };
            Err(heed::Error::Io(io::Error::from_raw_os_error(errno)))
        }
    }
}
