//! Labels of nodes: what roles match.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::Invalid;
use crate::escape::is_deceptive;

/// The most labels of one node.
pub const MAX_LABELS: usize = 64;
/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 63;
/// The longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 256;

/// Key → value. Keys are `[A-Za-z0-9._/:-]`, a letter or digit first; values are printable text without `=`,
/// `,` and outer blanks. Both count as they are written: no case or Unicode folding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// No labels.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads `key=value,key2=value2`; nothing at all is no labels.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut labels = Self::new();
        if text.is_empty() {
            return Ok(labels);
        }
        for pair in text.split(',') {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| Invalid::new("labels", "must be key=value,key2=value2"))?;
            labels.add(key.into(), value.into())?;
        }
        Ok(labels)
    }

    /// Adds one label; a key that is there already is an error.
    pub fn add(&mut self, key: String, value: String) -> Result<(), Invalid> {
        check_key(&key)?;
        check_value(&value)?;
        if self.0.len() >= MAX_LABELS {
            return Err(Invalid::new("labels", format!("must be at most {MAX_LABELS}")));
        }
        match self.0.entry(key) {
            Entry::Occupied(taken) => {
                Err(Invalid::new("labels", format!("must have the key {} only once", taken.key())))
            }
            Entry::Vacant(free) => {
                free.insert(value);
                Ok(())
            }
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// All labels in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Refuses what is not a label key.
pub fn check_key(key: &str) -> Result<(), Invalid> {
    let permitted = |byte: u8| byte.is_ascii_alphanumeric() || b"._/:-".contains(&byte);
    let first = key.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if first && key.len() <= MAX_KEY_BYTES && key.bytes().all(permitted) {
        Ok(())
    } else {
        Err(Invalid::new("labels", "must have keys of 1 to 63 letters, digits and . _ / : -"))
    }
}

fn check_value(value: &str) -> Result<(), Invalid> {
    let permitted = |character: char| !is_deceptive(character) && character != '=' && character != ',';
    let inner = !value.starts_with(char::is_whitespace) && !value.ends_with(char::is_whitespace);
    if (1..=MAX_VALUE_BYTES).contains(&value.len()) && value.chars().all(permitted) && inner {
        Ok(())
    } else {
        Err(Invalid::new("labels", "must have values of 1 to 256 printable characters without = and ,"))
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{key}={value}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Labels {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LabelsVisitor)
    }
}

struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of labels")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
        let mut labels = Labels::new();
        while let Some((key, value)) = map.next_entry()? {
            labels.add(key, value).map_err(A::Error::custom)?;
        }
        Ok(labels)
    }
}
