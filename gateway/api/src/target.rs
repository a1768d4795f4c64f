//! What a client asks for: the SSH user name `LOGIN@NODE` and its other forms, and the name of a node alone.

use std::fmt;

use uuid::Uuid;

use crate::{Host, Invalid, Login, Port};

/// The longest SSH user name that is looked at: a login, a separator, a DNS name, a port.
const MAX_BYTES: usize = 32 + 1 + 253 + 6;

/// A node as a client names it: a UUID, a name, `name.CLUSTER`, a host name or an address, perhaps with a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeRef {
    /// What stands before the port. A UUID is a DNS label too, see [`NodeRef::uuid`].
    pub host: Host,
    /// The port, which counts only where it is needed to tell two nodes apart.
    pub port: Option<Port>,
}

impl NodeRef {
    /// Reads `NODE`, `NODE:PORT`, `[v6]:PORT` or a bare IPv6 address.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let name = |invalid: Invalid| invalid.in_field("name");
        if text.parse::<std::net::Ipv6Addr>().is_ok() {
            return Ok(Self { host: Host::parse(text).map_err(name)?, port: None });
        }
        match text.rsplit_once(':') {
            Some((host, _)) if host.contains(':') && !host.starts_with('[') => {
                Err(Invalid::new("name", "must have an IPv6 address in [ ]"))
            }
            Some((host, port)) if !host.is_empty() && !text.ends_with(']') => Ok(Self {
                host: Host::parse(host).map_err(name)?,
                port: Some(Port::parse(port).map_err(name)?),
            }),
            _ => Ok(Self { host: Host::parse(text).map_err(name)?, port: None }),
        }
    }

    /// As a person would name it: clients add one of these ports where nobody has asked for one.
    #[must_use]
    pub fn without_default_port(&self) -> Self {
        let port = self.port.filter(|port| !matches!(port.number(), 22 | 3022));
        Self { host: self.host.clone(), port }
    }

    /// The UUID, where the client named one in its hyphenated form.
    pub fn uuid(&self) -> Option<Uuid> {
        match &self.host {
            Host::Name(name) if name.as_str().len() == 36 => Uuid::try_parse(name.as_str()).ok(),
            _ => None,
        }
    }
}

impl fmt::Display for NodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.port) {
            (host, None) => host.fmt(f),
            (Host::Ip(std::net::IpAddr::V6(ip)), Some(port)) => write!(f, "[{ip}]:{port}"),
            (host, Some(port)) => write!(f, "{host}:{port}"),
        }
    }
}
crate::text::serde_as_text!(NodeRef);

/// A login on a node: `LOGIN@NODE`, `LOGIN@NODE:PORT`, `LOGIN+NODE`, `LOGIN+NODE:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The local account.
    pub login: Login,
    /// The node, not looked up yet.
    pub node: NodeRef,
}

impl Target {
    /// Reads a target from text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match SshName::parse(text.as_bytes())? {
            SshName::Target(target) => Ok(target),
            SshName::Login(_) => Err(Invalid::new("name", "must be LOGIN@NODE")),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.login, self.node)
    }
}
crate::text::serde_as_text!(Target);

/// The user name of an SSH connection (RFC 4252 section 5), as the gateway reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SshName {
    /// Only a login: the node is named by the way in (`CONNECT`, the proxy subsystem, `-J`).
    Login(Login),
    /// A login and a node.
    Target(Target),
}

impl SshName {
    /// Reads the bytes of a user name. One separator at most; whatever is not in the grammar is refused here,
    /// before anything is looked up.
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        if bytes.len() > MAX_BYTES {
            return Err(Invalid::new("name", "is too long"));
        }
        let text = str::from_utf8(bytes).map_err(|_| Invalid::new("name", "must be UTF-8"))?;
        let login = |text| Login::parse(text).map_err(|invalid| invalid.in_field("name"));
        match text.split_once(['@', '+']) {
            None => Ok(Self::Login(login(text)?)),
            Some((account, node)) if !node.contains(['@', '+']) => {
                Ok(Self::Target(Target { login: login(account)?, node: NodeRef::parse(node)? }))
            }
            Some(_) => Err(Invalid::new("name", "must have one separator between login and node")),
        }
    }
}
