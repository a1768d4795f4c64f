//! Which destinations port forwarding may reach.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Glob;

/// The most entries of one list.
const MAX_ENTRIES: usize = 256;

/// `false`, `true` or a list of destinations.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Forwarding {
    /// Nothing.
    #[default]
    No,
    /// Everything but the node's own sshd.
    Any,
    /// What an entry of the list covers.
    Listed(Vec<Entry>),
}

/// One entry of the list.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// `HOST:PORT`; either may be or have a glob.
    Host(Glob, PortPattern),
    /// `CIDR:PORT`.
    Net(IpNet, PortPattern),
    /// `unix:PATH` with path globs.
    Unix(Glob),
}

/// A port or `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortPattern {
    /// Every port.
    Any,
    /// This one.
    Exactly(u16),
}

/// What a forwarding asks for, as the client wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination<'a> {
    /// A host, to be resolved where it is opened, and a port.
    Tcp {
        /// Name or address.
        host: &'a str,
        /// TCP port.
        port: u16,
    },
    /// A socket in the file system.
    Unix(&'a str),
}

/// The sshd that the connection itself goes to: forwarding to it would go round the recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSshd {
    /// Its port.
    pub port: u16,
    /// The node's names and the host part of its address.
    pub names: Vec<String>,
    /// The addresses they were resolved to.
    pub addresses: Vec<IpAddr>,
}

impl OwnSshd {
    /// Whether a destination, opened on the node, is this sshd: its port at one of its addresses, at one of its
    /// names, at loopback or at the unspecified address, in any spelling that a resolver takes for one of them.
    fn is(&self, host: &str, port: u16) -> bool {
        if port != self.port {
            return false;
        }
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        if name.is_empty()
            || name == "localhost"
            || name.ends_with(".localhost")
            || name.starts_with("localhost.")
        {
            return true;
        }
        match address(&name) {
            Some(ip) => {
                ip.is_loopback()
                    || ip.is_unspecified()
                    || self.addresses.iter().any(|own| canonical(*own) == ip)
            }
            None => self.names.iter().any(|own| own.trim_end_matches('.').eq_ignore_ascii_case(&name)),
        }
    }
}

/// The address that `getaddrinfo` reads from text, the forms of `inet_aton` (`127.1`, `0x7f000001`) included;
/// IPv4-mapped IPv6 as IPv4.
fn address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    let bare = bare.split('%').next().unwrap_or_default();
    bare.parse().ok().map(canonical).or_else(|| inet_aton(bare).map(IpAddr::V4))
}

fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let number = |part: &str| match part.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if part.len() > 1 && part.starts_with('0') => u32::from_str_radix(part, 8).ok(),
        None => part.parse().ok(),
    };
    let parts = text.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let (last, firsts) = parts.split_last()?;
    if firsts.len() > 3 || firsts.iter().any(|part| *part > 255) {
        return None;
    }
    let high = firsts.iter().zip([24, 16, 8]).fold(0, |bits, (part, shift)| bits | part << shift);
    let room = u64::from(u32::MAX) >> (8 * firsts.len());
    (u64::from(*last) <= room).then(|| Ipv4Addr::from(high | last))
}

impl Forwarding {
    /// Whether nothing is covered.
    pub fn is_no(&self) -> bool {
        matches!(self, Self::No)
    }

    /// Whether `destination` is covered. The node's own sshd is covered by an entry without a glob only.
    pub fn covers(&self, destination: Destination<'_>, own: &OwnSshd) -> bool {
        let guarded = matches!(destination, Destination::Tcp { host, port } if own.is(host, port));
        match self {
            Self::No => false,
            Self::Any => !guarded,
            Self::Listed(entries) => {
                entries.iter().any(|entry| (!guarded || entry.is_exact()) && entry.covers(destination))
            }
        }
    }
}

impl Entry {
    /// An entry from its text; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Self::Unix(Glob::parse(path)?))
            } else {
                Err("unix:PATH must be absolute")
            };
        }
        if let Ok(net) = text.parse() {
            return Ok(Self::Net(net, PortPattern::Any));
        }
        let (host, port) = text.rsplit_once(':').ok_or("must be HOST:PORT, CIDR:PORT or unix:PATH")?;
        let port = PortPattern::parse(port)?;
        let bracketed = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
        let host = match bracketed {
            Some(inner) => inner,
            None if host.contains(':') => return Err("must have an IPv6 address in [ ]"),
            None => host,
        };
        match host.parse() {
            Ok(net) => Ok(Self::Net(net, port)),
            Err(_) if host.contains('/') => Err("has a bad network"),
            Err(_) => Ok(Self::Host(Glob::parse(&host.to_ascii_lowercase())?, port)),
        }
    }

    fn is_exact(&self) -> bool {
        matches!(self, Self::Host(host, PortPattern::Exactly(_)) if !host.is_wild())
    }

    fn covers(&self, destination: Destination<'_>) -> bool {
        match (self, destination) {
            (Self::Host(pattern, ports), Destination::Tcp { host, port }) => {
                let host = host.to_ascii_lowercase();
                let same =
                    || pattern.as_str().parse().is_ok_and(|ip: IpAddr| address(&host) == Some(canonical(ip)));
                ports.covers(port) && (pattern.matches(&host) || same())
            }
            (Self::Net(net, ports), Destination::Tcp { host, port }) => {
                ports.covers(port) && address(host).is_some_and(|ip| net.contains(&ip))
            }
            (Self::Unix(pattern), Destination::Unix(path)) => {
                let climbs = path.split('/').any(|part| part == "..");
                !climbs && pattern.matches_path(path)
            }
            _ => false,
        }
    }
}

impl PortPattern {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "*" => Ok(Self::Any),
            _ => match text.parse() {
                Ok(port) if port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                    Ok(Self::Exactly(port))
                }
                _ => Err("must have a port of 1 to 65535, or *"),
            },
        }
    }

    fn covers(self, port: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(own) => own == port,
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host, port) if host.as_str().contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
            Self::Net(net @ IpNet::V6(_), port) => write!(f, "[{net}]:{port}"),
            Self::Net(net, port) => write!(f, "{net}:{port}"),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

impl fmt::Display for PortPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exactly(port) => port.fmt(f),
        }
    }
}

impl fmt::Display for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => f.write_str("false"),
            Self::Any => f.write_str("true"),
            Self::Listed(entries) => {
                let texts: Vec<String> = entries.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", texts.join(", "))
            }
        }
    }
}

impl Serialize for Forwarding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::No => serializer.serialize_bool(false),
            Self::Any => serializer.serialize_bool(true),
            Self::Listed(entries) => serializer.collect_seq(entries.iter().map(ToString::to_string)),
        }
    }
}

impl<'de> Deserialize<'de> for Forwarding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ForwardingVisitor)
    }
}

struct ForwardingVisitor;

impl<'de> Visitor<'de> for ForwardingVisitor {
    type Value = Forwarding;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false or a list of HOST:PORT, CIDR:PORT and unix:PATH")
    }

    fn visit_bool<E>(self, any: bool) -> Result<Forwarding, E> {
        Ok(if any { Forwarding::Any } else { Forwarding::No })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Forwarding, A::Error> {
        let mut entries = Vec::new();
        while let Some(text) = seq.next_element::<String>()? {
            if entries.len() == MAX_ENTRIES {
                return Err(A::Error::custom("at most 256 destinations"));
            }
            entries
                .push(Entry::parse(&text).map_err(|why| A::Error::custom(format!("a destination {why}")))?);
        }
        Ok(Forwarding::Listed(entries))
    }
}
