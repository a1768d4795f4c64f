//! JSON, read strictly: no key twice, and errors that say where.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use crate::{Problem, ProblemCode, escape};

/// Reads a whole document. The problem names the path of what is wrong where that can be told; what was given is not
/// repeated.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut twice = None;
    let mut reader = serde_json::Deserializer::from_slice(body);
    let checked = Unique { path: Path::Root, twice: &mut twice }.deserialize(&mut reader);
    if let Some(path) = twice {
        let detail = format!("duplicate field `{}`", escape(&path));
        return Err(Problem::new(ProblemCode::Invalid, detail).with_field(escape(&path)));
    }
    checked.and_then(|()| reader.end()).map_err(|error| problem(&error, ""))?;
    let mut reader = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        problem(error.inner(), if path == "." { "" } else { &path })
    })
}

fn problem(error: &serde_json::Error, path: &str) -> Problem {
    let text = error.to_string();
    let problem = Problem::new(ProblemCode::Invalid, escape(&text));
    match field(&text, path) {
        Some(field) => problem.with_field(escape(&field)),
        None => problem,
    }
}

/// The field that serde's message names: `` unknown field `x` ``, or our own `field: reason`; else where it happened.
fn field(text: &str, path: &str) -> Option<String> {
    if text.starts_with("unknown field") || text.starts_with("missing field") {
        let name = text.split('`').nth(1)?;
        return Some(match path.rsplit_once('.') {
            _ if path.is_empty() || path == name => name.to_owned(),
            Some((_, last)) if last == name => path.to_owned(),
            _ => format!("{path}.{name}"),
        });
    }
    if let Some((field, _)) = text.split_once(": ")
        && field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    {
        return Some(field.to_owned());
    }
    (!path.is_empty()).then(|| path.to_owned())
}

/// Where in a document.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, key) => f.write_str(key),
            Self::Key(parent, key) => write!(f, "{parent}.{key}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Reads over a value, and notes the first key that an object has twice.
struct Unique<'a> {
    path: Path<'a>,
    twice: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        while items
            .next_element_seed(Unique { path: Path::Index(&self.path, index), twice: self.twice })?
            .is_some()
        {
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut seen = std::collections::HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let path = Path::Key(&self.path, &key);
            if seen.contains(&key) {
                *self.twice = Some(path.to_string());
                return Err(A::Error::custom("duplicate field"));
            }
            entries.next_value_seed(Unique { path, twice: self.twice })?;
            seen.insert(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::LockAdd;
    use crate::node::NodeAdd;
    use crate::user::{UserAdd, UserUpdate};

    fn blamed<T: DeserializeOwned>(body: &str) -> Option<String> {
        parse::<T>(body.as_bytes()).err().expect(body).field
    }

    #[test]
    fn hostile_070_paths_of_what_is_wrong() {
        assert_eq!(
            blamed::<UserAdd>(r#"{"name":"a","traits":{"x":["1"],"x":["2"]}}"#).as_deref(),
            Some("traits.x")
        );
        assert_eq!(blamed::<UserAdd>(r#"{"name":"a","name":"b"}"#).as_deref(), Some("name"));
        assert_eq!(blamed::<UserAdd>(r#"{"name":"a","admin":true}"#).as_deref(), Some("admin"));
        assert_eq!(blamed::<UserAdd>(r#"{"name":"a","logins":{}}"#).as_deref(), Some("logins"));
        assert_eq!(blamed::<UserUpdate>(r#"{"revision":1e999}"#), None);
        assert_eq!(
            blamed::<LockAdd>(r#"{"target":{"user":"a","user":"b"}}"#).as_deref(),
            Some("target.user")
        );
        let twice = r#"{"name":"n","host":"h","labels":{"a":"b","a":"c"}}"#;
        assert_eq!(blamed::<NodeAdd>(twice).as_deref(), Some("labels.a"));
    }

    #[test]
    fn hostile_070_a_key_is_shown_escaped() {
        let problem = parse::<UserAdd>(b"{\"\\u001b[31m\":1,\"\\u001b[31m\":2}").unwrap_err();
        assert!(!problem.to_string().contains('\u{1b}') && !problem.field.unwrap().contains('\u{1b}'));
    }
}
