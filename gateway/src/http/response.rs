//! An answer as handlers give it. Its length is always known, so that no framing but `Content-Length` is needed.

use std::fmt::Write as _;
use std::fs::File;

use mezite_api::{Problem, ProblemCode};
use serde::Serialize;

/// What follows the head of an answer.
#[derive(Debug)]
pub enum Body {
    /// Bytes in memory.
    Bytes(Vec<u8>),
    /// The first `len` bytes of a file, read while they are sent.
    File {
        /// The file, at its beginning.
        file: File,
        /// How many bytes to send.
        len: u64,
    },
}

/// One answer.
#[derive(Debug)]
pub struct Response {
    /// Status code (RFC 9110 section 15).
    pub status: u16,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The value of `ETag`, with its quotes. Without one the answer is `Cache-Control: no-store`.
    pub etag: Option<String>,
    /// The revision of the one thing that it shows, which goes out as `ETag`, for `If-Match`.
    pub revision: Option<u64>,
    /// The methods that the path takes, for a 405.
    pub allow: Option<String>,
    /// The target of the next page of a list.
    pub next: Option<String>,
    /// After how many seconds to try again.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: Body,
}

impl Response {
    /// A 200 of that type.
    pub fn ok(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let body = Body::Bytes(body.into());
        Self {
            status: 200,
            content_type,
            etag: None,
            revision: None,
            allow: None,
            next: None,
            retry_after: None,
            body,
        }
    }

    /// A JSON answer.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self { status, ..Self::ok("application/json", body) },
            Err(error) => Problem::new(ProblemCode::Internal, error.to_string()).into(),
        }
    }

    /// One thing, of this revision.
    pub fn revised(status: u16, value: &impl Serialize, revision: u64) -> Self {
        Self { revision: Some(revision), ..Self::json(status, value) }
    }

    /// A 204.
    pub fn no_content() -> Self {
        Self { status: 204, ..Self::ok("", Vec::new()) }
    }

    /// The length of the body in bytes.
    pub fn body_len(&self) -> u64 {
        match &self.body {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File { len, .. } => *len,
        }
    }

    /// The status line and the fields, with their empty line.
    pub fn head(&self, close: bool) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        // Neither a 204 nor a 304 has a length of its own (RFC 9110 section 8.6).
        if !matches!(self.status, 204 | 304) {
            let _ = write!(
                head,
                "Content-Type: {}\r\nContent-Length: {}\r\n",
                self.content_type,
                self.body_len()
            );
        }
        match &self.etag {
            Some(etag) => _ = write!(head, "ETag: {etag}\r\nCache-Control: no-cache\r\n"),
            None => head.push_str("Cache-Control: no-store\r\n"),
        }
        if let Some(revision) = self.revision {
            let _ = write!(head, "ETag: \"{revision}\"\r\n");
        }
        if let Some(allow) = &self.allow {
            let _ = write!(head, "Allow: {allow}\r\n");
        }
        if let Some(next) = &self.next {
            let _ = write!(head, "Link: <{next}>; rel=\"next\"\r\n");
        }
        if let Some(seconds) = self.retry_after {
            let _ = write!(head, "Retry-After: {seconds}\r\n");
        }
        head.push_str("X-Content-Type-Options: nosniff\r\n");
        head.push_str(if close { "Connection: close\r\n\r\n" } else { "\r\n" });
        head
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let (status, retry_after) = (problem.status, problem.retry_after);
        Self { status, retry_after, ..Self::ok("application/problem+json", body) }
    }
}

/// The phrases of the codes that are used here; a client reads the number.
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "Other",
    }
}
