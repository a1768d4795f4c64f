//! A request as handlers see it: whole, bounded, and saying who asks.

use mezite_api::{Problem, request};
use serde::de::DeserializeOwned;

use super::caller::Caller;

/// Methods that some route knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Reads without the body of the answer.
    Head,
    /// Creates, or does.
    Post,
    /// Replaces.
    Put,
    /// Changes a part.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// The method of a request line; methods are case-sensitive (RFC 9110 section 9.1).
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => return None,
        })
    }

    /// The method's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// The decoded query of a target: names and values in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes `name=value&…` (`+` is a blank, `%XX` a byte); `None` when it is not UTF-8 or badly encoded.
    pub fn parse(query: &str) -> Option<Self> {
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((decode(name)?, decode(value)?))
            })
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }

    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// One request, read to its end.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path as sent: no percent-encoding, no empty, `.` or `..` segment.
    pub path: String,
    /// The decoded query.
    pub query: Query,
    /// The body, at most 1 MiB.
    pub body: Vec<u8>,
    /// Who asks.
    pub caller: Caller,
    /// The value of `If-None-Match`, when there is one.
    pub if_none_match: Option<String>,
    /// What the variable segments of the route matched, filled in by the router.
    pub params: Vec<(&'static str, String)>,
}

impl Request {
    /// What the route's segment `:name` matched; empty when the route has none of that name, which no resource
    /// name is.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON of that shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        request::parse(&self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse("user=al%2Bice&since=2026-01-01T00%3A00%3A00Z&flag&user=bob").unwrap();
        assert_eq!(query.get("user"), Some("al+ice"));
        assert_eq!(query.get("since"), Some("2026-01-01T00:00:00Z"));
        assert_eq!(query.get("flag"), Some(""));
        assert_eq!(query.get("other"), None);
    }

    #[test]
    fn bad_encodings_are_refused() {
        for query in ["a=%", "a=%4", "a=%zz", "a=%ff", "%80=a"] {
            assert_eq!(Query::parse(query), None, "{query}");
        }
    }
}
