//! A request as handlers see it: whole, bounded, and saying who asks.

use std::fmt::Write as _;

use mezite_api::{Invalid, Problem, request};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::caller::Caller;
use super::head::is_token_byte;

/// Methods that some route knows, and all others.
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
    /// Any other: no route takes it.
    Other,
}

impl Method {
    /// The method of a request line, which must be a token; methods are case-sensitive (RFC 9110 section 9.1).
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ if !name.is_empty() && name.bytes().all(is_token_byte) => Self::Other,
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
            Self::Other => "another method",
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

    /// The pairs but those of these names, encoded again.
    pub fn without(&self, names: &[&str]) -> String {
        let kept = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        kept.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
    }

    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
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
    /// The body, at most 1 MiB. It may hold a password or a token.
    pub body: Zeroizing<Vec<u8>>,
    /// Who asks.
    pub caller: Caller,
    /// The value of `If-Match`, when there is one.
    pub if_match: Option<String>,
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

    /// The revision at which something is to be changed: of `If-Match`, else what the body says.
    pub fn revision(&self, in_body: Option<u64>) -> Result<Wanted, Problem> {
        let in_field = match self.if_match.as_deref() {
            None | Some("*") => None,
            Some(tag) => {
                let number = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')?.parse().ok());
                Some(number.ok_or_else(|| Invalid::new("if_match", "must be one ETag of the API"))?)
            }
        };
        match (in_field, in_body) {
            (Some(field), Some(body)) if field != body => {
                Err(Invalid::new("revision", "must be that of If-Match").into())
            }
            (in_field, in_body) => {
                Ok(Wanted { revision: in_field.or(in_body), by_field: in_field.is_some() })
            }
        }
    }

    /// The body as JSON of that shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        request::parse(&self.body)
    }
}

/// The revision at which something is to be changed.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The revision; nothing where any will do.
    pub revision: Option<u64>,
    by_field: bool,
}

impl Wanted {
    /// The problem of a change that was refused: 412 where `If-Match` was not met (RFC 9110 section 13.1.1).
    pub fn unmet(self, problem: Problem) -> Problem {
        if self.by_field && problem.status == 409 { Problem { status: 412, ..problem } } else { problem }
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
