//! Label selectors: which nodes a role is about.

use std::fmt;

use mezite_api::Labels;
use mezite_api::label::check_key;
use regex_lite::{Regex, RegexBuilder};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::glob::{Glob, check_pattern};

/// The most keys of one selector.
const MAX_KEYS: usize = 64;
/// The most patterns of one key.
const MAX_PATTERNS: usize = 256;
/// The most memory that one compiled regular expression takes, in bytes.
const MAX_REGEX_BYTES: usize = 64 * 1024;

/// Matches label values: the text itself, a glob, or `^regex$` over the whole value.
#[derive(Debug, Clone)]
pub(crate) enum LabelPattern {
    /// `*`: any value, where the label is there.
    Any,
    /// Exactly this text.
    Literal(String),
    /// With `*` inside.
    Glob(Glob),
    /// With its source as it was written.
    Regex(String, Regex),
}

impl LabelPattern {
    /// A pattern from its text; the error says what is wrong with it.
    fn parse(text: &str) -> Result<Self, String> {
        check_pattern(text)?;
        if text.contains("{{") {
            return Err("templates are only for logins".into());
        }
        if let Some(rest) = text.strip_prefix('^') {
            let inner = rest.strip_suffix('$').ok_or("a regular expression must be ^…$")?;
            // The group keeps an alternative inside from escaping the anchors.
            let regex = RegexBuilder::new(&format!("^(?:{inner})$"))
                .size_limit(MAX_REGEX_BYTES)
                .nest_limit(16)
                .build();
            return Ok(Self::Regex(
                text.into(),
                regex.map_err(|error| format!("bad regular expression: {error}"))?,
            ));
        }
        Ok(match text {
            "*" => Self::Any,
            _ if text.contains('*') => Self::Glob(Glob::parse(text)?),
            _ => Self::Literal(text.into()),
        })
    }

    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Literal(text) => text == value,
            Self::Glob(glob) => glob.matches(value),
            Self::Regex(_, regex) => regex.is_match(value),
        }
    }

    fn source(&self) -> &str {
        match self {
            Self::Any => "*",
            Self::Literal(text) | Self::Regex(text, _) => text,
            Self::Glob(glob) => glob.as_str(),
        }
    }
}

impl PartialEq for LabelPattern {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl Serialize for LabelPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.source())
    }
}

/// Which nodes: all keys must be there, each with a value that one of its patterns matches.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum LabelSelector {
    /// Nothing was said: no node.
    #[default]
    None,
    /// `'*': '*'`: every node, also one without labels.
    Every,
    /// Nodes with all of these.
    All(Vec<(String, Vec<LabelPattern>)>),
}

impl LabelSelector {
    /// Whether a node with these labels is meant.
    pub(crate) fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::None => false,
            Self::Every => true,
            Self::All(keys) => keys.iter().all(|(key, patterns)| {
                labels.get(key).is_some_and(|value| patterns.iter().any(|pattern| pattern.matches(value)))
            }),
        }
    }

    /// Whether no node is meant.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

impl Serialize for LabelSelector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let keys: &[_] = if let Self::All(keys) = self { keys } else { &[] };
        let mut map = serializer.serialize_map(None)?;
        if *self == Self::Every {
            map.serialize_entry("*", "*")?;
        }
        for (key, patterns) in keys {
            map.serialize_entry(key, patterns)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for LabelSelector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SelectorVisitor)
    }
}

struct SelectorVisitor;

impl<'de> Visitor<'de> for SelectorVisitor {
    type Value = LabelSelector;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from label to pattern or list of patterns")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LabelSelector, A::Error> {
        let mut keys: Vec<(String, Vec<LabelPattern>)> = Vec::new();
        while let Some(key) = map.next_key::<LabelKey>()? {
            let LabelKey(key) = key;
            if keys.len() == MAX_KEYS || keys.iter().any(|(other, _)| *other == key) {
                return Err(A::Error::custom("a label selector has each key once, and at most 64 of them"));
            }
            keys.push((key, map.next_value::<Patterns>()?.0));
        }
        match keys.as_slice() {
            [] => Ok(LabelSelector::None),
            [(key, patterns)] if key == "*" && *patterns == [LabelPattern::Any] => Ok(LabelSelector::Every),
            many if many.iter().any(|(key, _)| key == "*") => {
                Err(A::Error::custom("the label '*' must stand alone, with the value '*'"))
            }
            _ => Ok(LabelSelector::All(keys)),
        }
    }
}

struct LabelKey(String);

impl<'de> Deserialize<'de> for LabelKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        if key != "*" {
            check_key(&key).map_err(D::Error::custom)?;
        }
        Ok(Self(key))
    }
}

/// One pattern or a list of them. Only text is taken: a number or a boolean without quotes is an error, so
/// that nobody has to know how YAML would spell it.
struct Patterns(Vec<LabelPattern>);

impl<'de> Deserialize<'de> for Patterns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PatternsVisitor)
    }
}

struct PatternsVisitor;

impl<'de> Visitor<'de> for PatternsVisitor {
    type Value = Patterns;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a list of texts (put numbers and booleans in quotes)")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Patterns, E> {
        Ok(Patterns(vec![LabelPattern::parse(text).map_err(E::custom)?]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Patterns, A::Error> {
        let mut patterns = Vec::new();
        while let Some(Patterns(one)) = seq.next_element()? {
            if patterns.len() + one.len() > MAX_PATTERNS {
                return Err(A::Error::custom("at most 256 patterns"));
            }
            patterns.extend(one);
        }
        Ok(Patterns(patterns))
    }
}
