//! The timers of a connection: one fixed table with a single next deadline.

use std::time::Instant;

/// What waits for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The peer's identification line must have come.
    Identification,
    /// A server that has not seen the client's KEXINIT sends its own.
    Proposal,
    /// The running key exchange must be over.
    KeyExchange,
    /// User authentication must be over.
    Authentication,
    /// The keys are old.
    Rekey,
}

impl Timer {
    const ALL: [Self; 5] =
        [Self::Identification, Self::Proposal, Self::KeyExchange, Self::Authentication, Self::Rekey];
}

/// A deadline a timer.
#[derive(Debug, Default)]
pub struct Timers([Option<Instant>; Timer::ALL.len()]);

impl Timers {
    /// Starts or moves a timer.
    pub fn set(&mut self, timer: Timer, deadline: Instant) {
        self.0[timer as usize] = Some(deadline);
    }

    /// Stops a timer.
    pub fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes one timer that is due.
    pub fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let due = Timer::ALL.into_iter().find(|t| self.0[*t as usize].is_some_and(|at| at <= now))?;
        self.stop(due);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn due_timers_are_taken_once() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.set(Timer::Rekey, start + Duration::from_secs(2));
        timers.set(Timer::KeyExchange, start + Duration::from_secs(1));
        assert_eq!(timers.next(), Some(start + Duration::from_secs(1)));
        assert_eq!(timers.take_due(start), None);
        assert_eq!(timers.take_due(start + Duration::from_secs(1)), Some(Timer::KeyExchange));
        assert_eq!(timers.take_due(start + Duration::from_secs(1)), None);
        timers.stop(Timer::Rekey);
        assert_eq!(timers.next(), None);
    }
}
