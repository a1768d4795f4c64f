//! The head of a request, read strictly: what RFC 9112 lets a server refuse is refused here, so that two
//! readers of one byte stream can never disagree about where a request ends.

mod fields;

use mezite_api::{Problem, ProblemCode};

use super::request::{Method, Query};
use super::response::Response;
use fields::Fields;

pub(super) use fields::is_token_byte;

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

#[cfg(test)]
mod tests;
