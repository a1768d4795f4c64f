//! The address of a gateway's HTTPS.

use std::fmt;
use std::str::FromStr;

use rustls_pki_types::ServerName;

use crate::Invalid;

/// The port of the API where none is said.
const DEFAULT_PORT: u16 = 3025;

/// `HOST[:PORT]`, where the host is a DNS name or an IP address (IPv6 in brackets where a port follows).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    host: String,
    port: u16,
}

impl Server {
    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name that the server's certificate must have.
    pub(super) fn name(&self) -> Result<ServerName<'static>, Invalid> {
        ServerName::try_from(self.host.clone()).map_err(|_| invalid())
    }
}

fn invalid() -> Invalid {
    Invalid::new("server", "must be HOST or HOST:PORT")
}

impl FromStr for Server {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, port) = match bracketed {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(invalid)?)),
            None => match text.rsplit_once(':') {
                Some((host, port)) if !host.contains(':') => (host, Some(port)),
                _ => (text, None),
            },
        };
        let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) if digits(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(invalid)?,
            Some(_) => return Err(invalid()),
        };
        let server = Self { host: host.to_ascii_lowercase(), port };
        server.name().map(|_| server)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_hosts_with_a_port() {
        for (text, shown) in [
            ("gateway.example.com", "gateway.example.com:3025"),
            ("Gateway.example.com:443", "gateway.example.com:443"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("::1", "[::1]:3025"),
            ("[::1]:7", "[::1]:7"),
            ("[::1]", "[::1]:3025"),
        ] {
            assert_eq!(text.parse::<Server>().unwrap().to_string(), shown);
        }
        for text in
            ["", ":1", "a:", "a:0", "a:65536", "a:+1", "a b", "https://a", "a/b", "[::1", "[::1]x", "u@h"]
        {
            assert!(text.parse::<Server>().is_err(), "{text}");
        }
    }
}
