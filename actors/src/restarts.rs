//! How often a failing actor is rebuilt.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Restarts within [`WINDOW`]; the next failure is one too many.
const LIMIT: usize = 5;

/// For how long a restart counts.
const WINDOW: Duration = Duration::from_mins(1);

/// The restarts of one actor that still count.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    recent: VecDeque<Instant>,
}

impl Restarts {
    /// Whether an actor that failed at `now` may be rebuilt; counts it if so.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        while self.recent.front().is_some_and(|first| now.saturating_duration_since(*first) >= WINDOW) {
            self.recent.pop_front();
        }
        let allowed = self.recent.len() < LIMIT;
        if allowed {
            self.recent.push_back(now);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_a_minute_and_no_more() {
        let (mut restarts, start) = (Restarts::default(), Instant::now());
        for second in 0..5 {
            assert!(restarts.allow(start + Duration::from_secs(second)));
        }
        assert!(!restarts.allow(start + Duration::from_secs(59)));
    }

    #[test]
    fn a_restart_counts_for_a_minute() {
        let (mut restarts, start) = (Restarts::default(), Instant::now());
        for second in 0..5 {
            assert!(restarts.allow(start + Duration::from_secs(second)));
        }
        assert!(restarts.allow(start + Duration::from_mins(1)), "the first is a minute old");
        assert!(!restarts.allow(start + Duration::from_mins(1)), "the second is not");
    }

    #[test]
    fn rare_failures_are_never_too_many() {
        let (mut restarts, start) = (Restarts::default(), Instant::now());
        assert!((0..1000).all(|n| restarts.allow(start + Duration::from_secs(n * 13))));
    }
}
