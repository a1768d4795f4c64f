//! Globs: `*` stands for any text, everything else for itself.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest pattern of any kind, in bytes.
pub(crate) const MAX_PATTERN_BYTES: usize = 256;

/// A pattern in which `*` stands for any text, the empty one too. No other character is special.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// A glob from its text; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        check_pattern(text)?;
        Ok(Self(text.into()))
    }

    /// Whether all of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        matches(self.0.as_bytes(), text.as_bytes(), None)
    }

    /// Whether all of `path` matches where `*` stops at a `/` and `**` does not.
    pub fn matches_path(&self, path: &str) -> bool {
        matches(self.0.as_bytes(), path.as_bytes(), Some(b'/'))
    }

    /// Whether it has a `*`.
    pub fn is_wild(&self) -> bool {
        self.0.contains('*')
    }

    /// The pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// What every pattern must be: short, printable, not empty.
pub(crate) fn check_pattern(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("a pattern must not be empty");
    }
    if text.len() > MAX_PATTERN_BYTES {
        return Err("a pattern must be at most 256 bytes");
    }
    if text.chars().any(char::is_control) {
        return Err("a pattern must not have control characters");
    }
    Ok(())
}

/// Where matching goes on after a mismatch: behind the last star, one more byte of text taken by it.
#[derive(Clone, Copy)]
struct Resume {
    pattern: usize,
    text: usize,
}

/// Greedy matching with one resumption point for `*` and one for `**`: time is at most pattern × text. With a
/// separator only `**` stands for text that contains it.
fn matches(pattern: &[u8], text: &[u8], separator: Option<u8>) -> bool {
    let (mut p, mut t) = (0, 0);
    let (mut star, mut deep_star): (Option<Resume>, Option<Resume>) = (None, None);
    loop {
        match (pattern.get(p), text.get(t)) {
            (None, None) => return true,
            (Some(b'*'), _) if separator.is_some() && pattern.get(p + 1) == Some(&b'*') => {
                p += 2;
                deep_star = Some(Resume { pattern: p, text: t });
                star = None;
            }
            (Some(b'*'), _) => {
                p += 1;
                star = Some(Resume { pattern: p, text: t });
            }
            (Some(want), Some(have)) if want == have => {
                p += 1;
                t += 1;
            }
            _ => {
                let from_star = star.as_mut().and_then(|resume| resume.advance(text, separator));
                let resumed = from_star.or_else(|| {
                    star = None;
                    deep_star.as_mut().and_then(|resume| resume.advance(text, None))
                });
                match resumed {
                    Some(resume) => (p, t) = (resume.pattern, resume.text),
                    None => return false,
                }
            }
        }
    }
}

impl Resume {
    /// Lets the star take one more byte, unless the text ends or the byte is the separator.
    fn advance(&mut self, text: &[u8], separator: Option<u8>) -> Option<Self> {
        let taken = text.get(self.text)?;
        if Some(*taken) == separator {
            return None;
        }
        self.text += 1;
        Some(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    fn glob(text: &str) -> Glob {
        Glob::parse(text).unwrap()
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "anything/at all", true),
            ("prod*", "prod", true),
            ("prod*", "prod-1", true),
            ("prod*", "Prod-1", false),
            ("*prod", "nonprod", true),
            ("a*b*c", "aXXbYYc", true),
            ("a*b*c", "acb", false),
            ("a*b", "aab", true),
            ("*a*a*a*", "aa", false),
            ("db-?", "db-1", false),
            ("db.1", "dbx1", false),
            ("[ab]", "a", false),
            ("**", "x", true),
            ("prod", "prod ", false),
        ] {
            assert_eq!(glob(pattern).matches(text), expected, "{pattern} against {text}");
        }
    }

    #[test]
    fn in_paths_a_star_stops_at_a_slash_and_two_do_not() {
        for (pattern, text, expected) in [
            ("/srv/*", "/srv/a", true),
            ("/srv/*", "/srv/a/b", false),
            ("/srv/**", "/srv/a/b", true),
            ("/srv/**/x", "/srv/a/b/x", true),
            ("/srv/**/x*", "/srv/a/x/b/xy", true),
            ("/srv/**/x*", "/srv/a/x/b/y", false),
            ("/**/a/*b", "/q/a/c/a/xb", true),
            ("/srv/*.txt", "/srv/a.txt", true),
            ("/srv/*.txt", "/srv/../etc/a.txt", false),
        ] {
            assert_eq!(glob(pattern).matches_path(text), expected, "{pattern} against {text}");
        }
    }

    #[test]
    fn patterns_are_bounded() {
        assert!(Glob::parse("").is_err());
        assert!(Glob::parse("a\nb").is_err());
        assert!(Glob::parse(&"a".repeat(257)).is_err());
    }
}
