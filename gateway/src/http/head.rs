//! The head of a request, read strictly: what RFC 9112 lets a server refuse is refused here, so that two
//! readers of one byte stream can never disagree about where a request ends.

use mezite_api::{Problem, ProblemCode};

use super::request::{Method, Query};
use super::response::Response;

/// Longest head, in bytes, with its final empty line.
pub const HEAD_MAX: usize = 16 * 1024;
/// Most fields in a head.
pub const FIELDS_MAX: usize = 100;
/// Longest body, in bytes.
pub const BODY_MAX: usize = 1024 * 1024;

/// What is wrong with a request before any handler has seen it. Each ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The request line, a field or the framing breaks RFC 9112.
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    /// The head is longer than [`HEAD_MAX`] or has more than [`FIELDS_MAX`] fields.
    #[error("the head of the request is too large")]
    HeadTooLarge,
    /// The body is longer than [`BODY_MAX`].
    #[error("the body of the request is too large")]
    BodyTooLarge,
    /// A body without `Content-Length`: other framings are not taken.
    #[error("a body needs a Content-Length")]
    LengthRequired,
    /// Not HTTP/1.1 nor HTTP/1.0.
    #[error("only HTTP/1.1 is spoken here")]
    UnknownVersion,
}

impl HeadError {
    /// The status that answers it (RFC 9110 section 15).
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::HeadTooLarge => 431,
            Self::BodyTooLarge => 413,
            Self::LengthRequired => 411,
            Self::UnknownVersion => 505,
        }
    }
}

impl From<HeadError> for Response {
    fn from(error: HeadError) -> Self {
        let code = match error {
            HeadError::BodyTooLarge | HeadError::HeadTooLarge => ProblemCode::TooLarge,
            _ => ProblemCode::Invalid,
        };
        Problem { status: error.status(), ..Problem::new(code, error.to_string()) }.into()
    }
}

/// A parsed head: what routing and framing need, nothing else is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// The path, exactly as sent: only unreserved and sub-delimiter characters, no percent-encoding.
    pub path: String,
    /// The decoded query.
    pub query: Query,
    /// Length of the body in bytes, at most [`BODY_MAX`].
    pub body_len: usize,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// The connection ends with the answer.
    pub close: bool,
    /// The value of `If-Match`, when there is one.
    pub if_match: Option<String>,
    /// The value of `If-None-Match`, when there is one.
    pub if_none_match: Option<String>,
}

/// The length of the head at the beginning of `buffer`, with its empty line, once it is there whole.
pub fn head_len(buffer: &[u8]) -> Option<usize> {
    buffer.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Whether a line of the head ends without CR, which other readers may take for its end (RFC 9112 section 2.2).
pub fn has_bare_lf(head: &[u8]) -> bool {
    head.first() == Some(&b'\n') || head.windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r')
}

impl Head {
    /// Parses a whole head, from the request line to the empty line.
    pub fn parse(head: &[u8]) -> Result<Self, HeadError> {
        if head.len() > HEAD_MAX {
            return Err(HeadError::HeadTooLarge);
        }
        let text = std::str::from_utf8(head).ok().filter(|text| text.is_ascii());
        let text = text.ok_or(HeadError::Malformed("bytes that are not ASCII"))?;
        let text = text.strip_suffix("\r\n\r\n").ok_or(HeadError::Malformed("no end of the head"))?;
        let mut lines = text.split("\r\n");
        let (method, target, http_1_1) = request_line(lines.next().unwrap_or_default())?;
        let (path, query) = split_target(target)?;
        let fields = Fields::read(lines)?;
        if http_1_1 && !fields.host {
            return Err(HeadError::Malformed("no Host"));
        }
        Ok(Self {
            method,
            path,
            query,
            body_len: fields.body_len()?,
            expects_continue: fields.expects_continue,
            close: fields.close || !http_1_1,
            if_match: fields.if_match,
            if_none_match: fields.if_none_match,
        })
    }
}

fn request_line(line: &str) -> Result<(Method, &str, bool), HeadError> {
    let mut parts = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(HeadError::Malformed("request line"));
    };
    let http_1_1 = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        _ if version.starts_with("HTTP/") => return Err(HeadError::UnknownVersion),
        _ => return Err(HeadError::Malformed("request line")),
    };
    Ok((Method::parse(method).ok_or(HeadError::Malformed("method"))?, target, http_1_1))
}

/// Only the origin form, and only paths that mean the same to every reader: no percent-encoding, no empty, `.`
/// or `..` segment. Brackets, which stand around IPv6 addresses, are taken as they are.
fn split_target(target: &str) -> Result<(String, Query), HeadError> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let segments = path.strip_prefix('/').ok_or(HeadError::Malformed("target"))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@[]".contains(&byte);
    let good = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
    if !segments.is_empty() && !segments.split('/').all(good) {
        return Err(HeadError::Malformed("path"));
    }
    let query = Query::parse(query).ok_or(HeadError::Malformed("query"))?;
    Ok((path.to_owned(), query))
}

#[derive(Default)]
struct Fields {
    host: bool,
    close: bool,
    expects_continue: bool,
    framing: Framing,
    if_match: Option<String>,
    if_none_match: Option<String>,
}

/// How the end of the body is told.
#[derive(Default, Clone, Copy)]
enum Framing {
    /// There is no body.
    #[default]
    None,
    /// By its length.
    Length(u64),
    /// In another way.
    Coded,
}

impl Framing {
    /// One field may say it, once.
    fn set(&mut self, framing: Self) -> Result<(), HeadError> {
        match self {
            Self::None => {
                *self = framing;
                Ok(())
            }
            _ => Err(HeadError::Malformed("more than one framing of the body")),
        }
    }
}

impl Fields {
    fn read<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Self, HeadError> {
        let mut fields = Self::default();
        for (count, line) in lines.enumerate() {
            if count == FIELDS_MAX {
                return Err(HeadError::HeadTooLarge);
            }
            // A line that begins with a blank (obs-fold) has no token before its colon, so it falls out here too.
            let (name, value) = line.split_once(':').ok_or(HeadError::Malformed("field"))?;
            if name.is_empty() || !name.bytes().all(is_token_byte) {
                return Err(HeadError::Malformed("field name"));
            }
            if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
                return Err(HeadError::Malformed("field value"));
            }
            fields.take(&name.to_ascii_lowercase(), value.trim_matches([' ', '\t']))?;
        }
        Ok(fields)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), HeadError> {
        match name {
            "host" if self.host => return Err(HeadError::Malformed("more than one Host")),
            "host" => self.host = true,
            "connection" => {
                self.close |= value.split(',').any(|word| word.trim().eq_ignore_ascii_case("close"));
            }
            "expect" => self.expects_continue = value.eq_ignore_ascii_case("100-continue"),
            "content-length" => self.framing.set(Framing::Length(decimal(value)?))?,
            "transfer-encoding" => self.framing.set(Framing::Coded)?,
            "if-match" if self.if_match.is_some() => {
                return Err(HeadError::Malformed("more than one If-Match"));
            }
            "if-match" => self.if_match = Some(value.to_owned()),
            "if-none-match" => self.if_none_match = Some(value.to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn body_len(&self) -> Result<usize, HeadError> {
        match self.framing {
            Framing::None => Ok(0),
            Framing::Coded => Err(HeadError::LengthRequired),
            Framing::Length(length) => {
                let length = usize::try_from(length).ok().filter(|length| *length <= BODY_MAX);
                length.ok_or(HeadError::BodyTooLarge)
            }
        }
    }
}

/// RFC 9110 section 5.6.2.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn decimal(value: &str) -> Result<u64, HeadError> {
    // `parse` alone would take a sign.
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HeadError::Malformed("Content-Length"));
    }
    value.parse().map_err(|_| HeadError::BodyTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &str) -> Result<Head, HeadError> {
        Head::parse(head.as_bytes())
    }

    fn error(head: &str) -> HeadError {
        parse(head).expect_err(head)
    }

    #[test]
    fn a_plain_request_is_taken_apart() {
        let head = parse(
            "POST /v1/nodes?labels=env%3Dprod&x=a+b HTTP/1.1\r\nHost: gateway:3080\r\nContent-Length: 12\r\n\
             Expect: 100-continue\r\nConnection: keep-alive, Close\r\nIf-None-Match: \"abc\"\r\n\r\n",
        )
        .unwrap();
        assert_eq!((head.method, head.path.as_str(), head.body_len), (Method::Post, "/v1/nodes", 12));
        assert_eq!(head.query.get("labels"), Some("env=prod"));
        assert_eq!(head.query.get("x"), Some("a b"));
        assert!(head.expects_continue && head.close);
        assert_eq!(head.if_none_match.as_deref(), Some("\"abc\""));
    }

    #[test]
    fn http_1_0_closes_and_needs_no_host() {
        assert!(parse("GET /healthz HTTP/1.0\r\n\r\n").unwrap().close);
        assert_eq!(error("GET /healthz HTTP/1.1\r\n\r\n"), HeadError::Malformed("no Host"));
        assert_eq!(error("GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n"), HeadError::UnknownVersion);
    }

    #[test]
    fn framing_that_two_readers_could_see_differently_is_refused() {
        let bad = [
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: 1, 1",
            "Content-Length: +1",
            "Content-Length: 0x1",
            "Content-Length:",
            "Content-Length : 1",
            " Content-Length: 1",
            "X: a\r\n folded",
            "X: a\nContent-Length: 1",
            "X: a\rContent-Length: 1",
            "X: a\0b",
            "no colon",
            ": no name",
            "Host: twice",
        ];
        for fields in bad {
            let head = format!("POST /v1/nodes HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
            assert!(matches!(error(&head), HeadError::Malformed(_)), "{fields:?}");
        }
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(error(chunked), HeadError::LengthRequired);
    }

    #[test]
    fn bodies_are_bounded() {
        let with = |length: &str| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(parse(&with("1048576")).unwrap().body_len, BODY_MAX);
        assert_eq!(error(&with("1048577")), HeadError::BodyTooLarge);
        assert_eq!(error(&with("99999999999999999999999")), HeadError::BodyTooLarge);
    }

    #[test]
    fn paths_mean_one_thing_only() {
        for path in ["/%2e%2e/x", "/a//b", "/a/../b", "/./a", "/a/", "//", "/a\\b", "*", "http://a/", "/a#b"]
        {
            let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            assert!(matches!(error(&head), HeadError::Malformed(_)), "{path}");
        }
        let fine = "GET /v1/users/a.b+c@d_e HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(parse(fine).unwrap().path, "/v1/users/a.b+c@d_e");
    }

    #[test]
    fn heads_are_bounded() {
        let many = "X: y\r\n".repeat(FIELDS_MAX);
        assert_eq!(error(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")), HeadError::HeadTooLarge);
        let long = "y".repeat(HEAD_MAX);
        assert_eq!(
            error(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n")),
            HeadError::HeadTooLarge
        );
    }

    #[test]
    fn odd_request_lines_are_refused() {
        for line in ["", "GET", "GET /", "GET / HTTP/1.1 x", "GET  / HTTP/1.1", "GET / http/1.1"] {
            assert!(
                matches!(error(&format!("{line}\r\nHost: a\r\n\r\n")), HeadError::Malformed(_)),
                "{line}"
            );
        }
        // Methods are case-sensitive: this is another one.
        assert_eq!(parse("get / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().method, Method::Other);
        assert!(matches!(error("G@T / HTTP/1.1\r\nHost: a\r\n\r\n"), HeadError::Malformed(_)));
    }

    #[test]
    fn the_end_of_the_head_is_found() {
        assert_eq!(head_len(b"GET / HTTP/1.1\r\n"), None);
        assert_eq!(head_len(b"GET / HTTP/1.1\r\n\r\nbody"), Some(18));
    }
}
