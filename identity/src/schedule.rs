//! When to renew, and when to try again. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand_core::{OsRng, RngCore as _};

/// The pauses between tries: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// The pause when only a person can help.
pub(crate) const SLOW_PAUSE: Duration = Duration::from_mins(15);

/// How long after a pair was given out the next one is due: the wanted interval, or a third of its life.
pub(crate) fn interval(wanted: Option<Duration>, lifetime: Duration) -> Duration {
    wanted.filter(|wanted| *wanted < lifetime).unwrap_or(lifetime / 3).max(Duration::from_secs(1))
}

/// The same ±10 %, so that what started together does not come together.
pub(crate) fn jittered(duration: Duration) -> Duration {
    let share = f64::from(OsRng.next_u32()) / f64::from(u32::MAX);
    duration.mul_f64(0.9 + 0.2 * share)
}

/// The pause after so many failures in a row: doubled each time, and short enough that several tries fit into what is
/// left of the certificate's life.
pub(crate) fn pause(failures: u32, life_left: Duration) -> Duration {
    let doubled =
        FIRST_PAUSE.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    let most = if life_left.is_zero() { LONGEST_PAUSE } else { (life_left / 4).max(FIRST_PAUSE) };
    doubled.min(LONGEST_PAUSE).min(most)
}

/// What is left until `moment`.
pub(crate) fn left(moment: Timestamp, now: Timestamp) -> Duration {
    moment.duration_since(now).try_into().unwrap_or(Duration::ZERO)
}

/// The moment so long after another.
pub(crate) fn after(moment: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    moment.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_third_of_the_life_unless_something_shorter_than_it_is_wanted() {
        assert_eq!(interval(None, HOUR), Duration::from_mins(20));
        assert_eq!(interval(Some(Duration::from_mins(50)), HOUR), Duration::from_mins(50));
        assert_eq!(interval(Some(HOUR), HOUR), Duration::from_mins(20));
    }

    #[test]
    fn hostile_077_pauses_grow_to_five_minutes_and_leave_room_for_more_tries() {
        let pauses: Vec<u64> = (1..12).map(|failures| pause(failures, HOUR * 24).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(pause(10, Duration::from_secs(40)), Duration::from_secs(10));
        assert_eq!(pause(10, Duration::from_secs(1)), Duration::from_secs(1));
        assert_eq!(pause(u32::MAX, Duration::ZERO), LONGEST_PAUSE);
    }

    #[test]
    fn hostile_077_jitter_is_a_tenth() {
        let all: Vec<Duration> = (0..1000).map(|_| jittered(HOUR)).collect();
        let (least, most) = (all.iter().min().unwrap(), all.iter().max().unwrap());
        assert!(*least >= HOUR.mul_f64(0.9) && *most <= HOUR.mul_f64(1.1));
        assert!(most.saturating_sub(*least) > HOUR / 10);
    }
}
