//! HTTP `CONNECT` on the SSH port: it only names the node for the SSH server that answers behind it. Nothing is looked up
//! or dialled before the client has authenticated.

use mezite_api::{NodeRef, Problem, ProblemCode};
use thiserror::Error;

/// Longest request head.
pub const MAX_HEAD: usize = 8 * 1024;
const MAX_HEADERS: usize = 64;

/// The answer to a good request. It has no length: SSH follows.
pub const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadConnect {
    /// The head is longer than [`MAX_HEAD`] or has too many lines.
    #[error("the request head is too large")]
    TooLarge,
    /// Not `CONNECT HOST:PORT HTTP/1.x` with header lines.
    #[error("not a CONNECT request")]
    Syntax,
    /// A body was announced.
    #[error("a CONNECT request has no body")]
    Body,
    /// The target is not a node's name with a port.
    #[error("the target must be NODE:PORT")]
    Target,
}

/// A request, and how many bytes its head has; what follows belongs to SSH.
#[derive(Debug, PartialEq, Eq)]
pub struct Connect {
    /// The node.
    pub node: NodeRef,
    /// Length of the head.
    pub head: usize,
}

/// Decodes a request head. `None`: it is not whole yet.
pub fn decode(bytes: &[u8]) -> Result<Option<Connect>, BadConnect> {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
        return if bytes.len() >= MAX_HEAD { Err(BadConnect::TooLarge) } else { Ok(None) };
    };
    let head = end + 4;
    let text = bytes.get(..end).and_then(|head| std::str::from_utf8(head).ok()).ok_or(BadConnect::Syntax)?;
    let mut lines = text.split("\r\n");
    let node = request_line(lines.next().unwrap_or_default())?;
    for (count, line) in lines.enumerate() {
        if count >= MAX_HEADERS {
            return Err(BadConnect::TooLarge);
        }
        let (name, value) = line.split_once(':').ok_or(BadConnect::Syntax)?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err(BadConnect::Syntax);
        }
        let framing = name.eq_ignore_ascii_case("transfer-encoding")
            || (name.eq_ignore_ascii_case("content-length") && value.trim() != "0");
        if framing {
            return Err(BadConnect::Body);
        }
    }
    Ok(Some(Connect { node, head }))
}

fn request_line(line: &str) -> Result<NodeRef, BadConnect> {
    let mut words = line.split(' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let (Some("CONNECT"), Some(target), Some("HTTP/1.0" | "HTTP/1.1"), None) =
        (method, target, version, words.next())
    else {
        return Err(BadConnect::Syntax);
    };
    NodeRef::parse(target).ok().filter(|node| node.port.is_some()).ok_or(BadConnect::Target)
}

impl BadConnect {
    /// The whole answer, after which the connection is closed.
    pub fn answer(self) -> Vec<u8> {
        let problem = Problem::new(ProblemCode::Invalid, self.to_string());
        let body = serde_json::to_string(&problem).unwrap_or_default();
        format!(
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(request: &str) -> Result<String, BadConnect> {
        decode(request.as_bytes()).map(|connect| connect.unwrap().node.to_string())
    }

    #[test]
    fn netcats_request_is_understood() {
        assert_eq!(node("CONNECT db-legacy-01:22 HTTP/1.0\r\n\r\n"), Ok("db-legacy-01:22".into()));
        let early = decode(b"CONNECT n:22 HTTP/1.1\r\nHost: n:22\r\n\r\nSSH-2.0-x\r\n").unwrap().unwrap();
        assert_eq!(early.head, 37);
        assert_eq!(decode(b"CONNECT n:22 HTTP/1.1\r\n"), Ok(None));
    }

    #[test]
    fn hostile_067_framing_has_no_place_in_connect() {
        for header in ["Content-Length: 5", "Transfer-Encoding: chunked", "Content-Length : 0", "x"] {
            let refused = node(&format!("CONNECT n:22 HTTP/1.1\r\n{header}\r\n\r\n"));
            assert!(matches!(refused, Err(BadConnect::Body | BadConnect::Syntax)), "{header}");
        }
    }

    #[test]
    fn hostile_068_targets_that_are_no_nodes() {
        for target in
            ["", "n", "n:0", "n:65536", "user@n:22", "[fe80::1%eth0]:22", "n:22/", "http://n:22", "-n:22"]
        {
            let refused = node(&format!("CONNECT {target} HTTP/1.1\r\n\r\n"));
            assert!(matches!(refused, Err(BadConnect::Target | BadConnect::Syntax)), "{target}");
        }
        for line in ["GET / HTTP/1.1", "CONNECT n:22", "CONNECT n:22 HTTP/2", "connect n:22 HTTP/1.1"] {
            assert_eq!(node(&format!("{line}\r\n\r\n")), Err(BadConnect::Syntax), "{line}");
        }
    }

    #[test]
    fn hostile_009_request_heads_are_bounded() {
        assert_eq!(decode(&[b'C'; MAX_HEAD]), Err(BadConnect::TooLarge));
        let many = format!("CONNECT n:22 HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1000));
        assert_eq!(decode(many.as_bytes()), Err(BadConnect::TooLarge));
    }
}
