//! Where a node listens: `host:port`.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::serde_as_text;
use crate::{DnsName, Invalid};

/// A DNS name or an IP address (without brackets or zone).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// To be resolved.
    Name(DnsName),
    /// To be dialled as it is.
    Ip(IpAddr),
}

impl Host {
    /// The form that clients compare host names in: lower case, addresses in their shortest form.
    pub fn folded(&self) -> String {
        match self {
            Self::Name(name) => name.folded(),
            Self::Ip(ip) => ip.to_canonical().to_string(),
        }
    }

    /// Reads a host. `user@host`, URLs, paths, ports and options are refused.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
        if let Some(inner) = bare {
            let ip = inner.parse().map_err(|_| Invalid::new("host", "must hold an IPv6 address in [ ]"))?;
            return Ok(Self::Ip(IpAddr::V6(ip)));
        }
        if let Ok(ip) = text.parse() {
            return Ok(Self::Ip(ip));
        }
        DnsName::parse(text).map(Self::Name).map_err(|_| {
            Invalid::new("host", "must be a DNS name or an IP address, nothing before or after it")
        })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}
serde_as_text!(Host);

/// A TCP port, 1 to 65535; a number in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Port(u16);

impl Port {
    /// Where sshd listens unless something else is said.
    pub const SSH: Self = Self(22);

    /// A port from its number.
    pub fn new(number: u64) -> Result<Self, Invalid> {
        match u16::try_from(number) {
            Ok(port) if port > 0 => Ok(Self(port)),
            _ => Err(Invalid::new("port", "must be 1 to 65535")),
        }
    }

    /// Reads decimal digits, without sign or blanks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { None };
        Self::new(number.unwrap_or_default())
    }

    /// The number.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Port {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

impl Serialize for Port {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.0)
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// `host:port` of a node's sshd; an IPv6 address stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeAddress {
    /// Name or IP address.
    pub host: Host,
    /// TCP port.
    pub port: Port,
}

impl NodeAddress {
    /// Reads `host:port` or `[v6]:port`; the port must be there.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (host, port) = text.rsplit_once(':').ok_or_else(|| Invalid::new("addr", "must be host:port"))?;
        if host.contains(':') && !host.starts_with('[') {
            return Err(Invalid::new("addr", "must have an IPv6 address in [ ]"));
        }
        Ok(Self { host: Host::parse(host)?, port: Port::parse(port)? })
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            _ => write!(f, "{}:{}", self.host, self.port),
        }
    }
}
serde_as_text!(NodeAddress);
