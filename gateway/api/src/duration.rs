//! Durations as people write them: `30s`, `15m`, `8h`, `2d`, `1h30m` (semantics section 10).

use std::fmt::Write as _;
use std::time::Duration;

use crate::Invalid;

/// The longest duration that is taken: ten years of 366 days.
pub const MAX: Duration = Duration::from_hours(10 * 366 * 24);

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads a duration of at least one second: numbers with the units `d`, `h`, `m`, `s`, each at most once and
/// the larger first.
pub fn parse(text: &str) -> Result<Duration, Invalid> {
    let invalid = || Invalid::new("duration", "must look like 30s, 15m, 8h, 2d or 1h30m");
    let mut units = UNITS.iter();
    let mut seconds: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
        let (number, tail) = rest.split_at(digits);
        let letter = tail.chars().next().ok_or_else(invalid)?;
        let (_, unit) = units.find(|(name, _)| *name == letter).ok_or_else(invalid)?;
        let number: u64 = number.parse().map_err(|_| invalid())?;
        let part = number.checked_mul(*unit).ok_or_else(invalid)?;
        seconds = seconds.checked_add(part).ok_or_else(invalid)?;
        rest = tail.get(letter.len_utf8()..).ok_or_else(invalid)?;
    }
    match Duration::from_secs(seconds) {
        Duration::ZERO => Err(Invalid::new("duration", "must be at least 1s")),
        long if long > MAX => Err(Invalid::new("duration", "must be at most ten years")),
        duration => Ok(duration),
    }
}

/// Writes whole seconds in the form that [`parse`] reads; parts of a second are left out.
pub fn format(duration: Duration) -> String {
    let mut seconds = duration.as_secs();
    let mut text = String::new();
    for (letter, unit) in UNITS {
        if seconds >= unit {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}{letter}", seconds / unit);
            seconds %= unit;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// Serde of a [`Duration`] as text, for `#[serde(with = "mezite_api::duration::text")]`.
pub mod text {
    use std::borrow::Cow;
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes [`super::format`].
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format(*duration))
    }

    /// Reads [`super::parse`].
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        super::parse(&Cow::<str>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Serde of an `Option<Duration>` as text or nothing.
pub mod optional_text {
    use std::borrow::Cow;
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes [`super::format`], or null.
    // The shape is serde's.
    #[allow(clippy::ref_option)]
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.serialize_str(&super::format(*duration)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads [`super::parse`], or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<Cow<str>>::deserialize(deserializer)?;
        text.map(|text| super::parse(&text)).transpose().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{format, parse};

    #[test]
    fn durations_read_and_write_alike() {
        for (text, seconds) in [("30s", 30), ("15m", 900), ("8h", 28_800), ("2d", 172_800), ("1h30m", 5_400)]
        {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
            assert_eq!(format(Duration::from_secs(seconds)), text);
        }
        assert_eq!(parse("90m"), parse("1h30m"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "0s",
            "1",
            "h",
            "-1s",
            "+1s",
            "1.5h",
            "1 h",
            " 1h",
            "1h ",
            "30m1h",
            "1h1h",
            "1w",
            "1ms",
            "1H",
            "99999999999999999999s",
            "9999999999999999d",
            "4000d",
            "1h30",
            "٣s",
            "1h\0",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
