//! Why a node leg does not stand, each with its line for the person (semantics section 9).

use std::net::SocketAddr;
use std::time::Duration;

use mezite_api::escape;
use thiserror::Error;

use super::address::Forbidden;
use crate::leg::LegError;

/// Why a node cannot be reached or does not let us in.
#[derive(Debug, Error)]
pub enum DialError {
    /// The name has no address.
    #[error("its host name cannot be resolved: {0}")]
    Resolve(String),
    /// All its addresses are forbidden; the last one and why.
    #[error("it resolves to {1}, which is {0}")]
    Forbidden(Forbidden, SocketAddr),
    /// No address takes the connection; the last one.
    #[error("{reason} by {address}")]
    Connect {
        /// The address that was tried last.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// It closes before it says anything, again and again.
    #[error("closed before its greeting")]
    NoGreeting {
        /// Attempts.
        tries: u32,
        /// Over so long.
        over: Duration,
    },
    /// The host key is not the one that it must be.
    #[error("host key mismatch")]
    HostKey {
        /// In which way.
        fault: HostKeyFault,
        /// Fingerprints that are pinned, or what stands for them.
        pinned: String,
        /// The fingerprint that was shown, or what stands for it.
        seen: String,
    },
    /// The node does not take our certificate for the login.
    #[error("login refused")]
    Login,
    /// The same login was refused a moment ago: the node is not asked again yet.
    #[error("login refused a moment ago")]
    Braked,
    /// It has taken the connection and exchanged keys, but did not say within this time whether it lets us in.
    #[error("no answer to the authentication within {} s", .0.as_secs())]
    Silent(Duration),
    /// Too many connections wait for the node.
    #[error("too many connections wait for it")]
    Queue,
    /// Anything else that ended the handshake.
    #[error("{0}")]
    Handshake(#[from] LegError),
    /// No certificate could be made.
    #[error("no certificate could be made: {0}")]
    Credential(String),
}

/// What is wrong with a host key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKeyFault {
    /// It is not a pinned one, or not certified.
    Unknown,
    /// None is pinned, and it is not certified.
    Uncertified,
    /// The node shows it, but has not signed with it.
    Unproven,
    /// It is not the one that the connection began with.
    Changed,
}

impl DialError {
    /// What happened, why and what to do, for the person who wants to go to `node` as `login`.
    pub fn line(&self, node: &str, login: &str) -> String {
        match self {
            Self::Resolve(_) | Self::Connect { .. } => format!(
                "mezite: cannot reach {node}: {}. Check the address with 'mezctl nodes get {node}' and the firewall",
                escape(self.to_string())
            ),
            Self::Forbidden(..) => {
                format!(
                    "mezite: cannot reach {node}: {self}. Check the address with 'mezctl nodes get {node}'"
                )
            }
            Self::NoGreeting { tries, over } => format!(
                "mezite: cannot reach {node}: it closed the connection before its greeting (MaxStartups or a penalty); \
                 tried {tries} times in {} s. Exempt the gateway with PerSourcePenaltyExemptList and raise MaxStartups",
                over.as_secs().max(1)
            ),
            Self::HostKey { fault: HostKeyFault::Unproven, pinned, seen } => format!(
                "mezite: refused to connect to {node}: it does not prove that it has the host key {seen} that it \
                 shows (pinned: {pinned}). Check the address with 'mezctl nodes get {node}' and the network"
            ),
            Self::HostKey { fault: HostKeyFault::Unknown, pinned, seen } => format!(
                "mezite: refused to connect to {node}: its host key {seen} is not the pinned {pinned}. \
                 If the host was re-installed, 'mezctl nodes rotate-host-key {node}'"
            ),
            Self::HostKey { fault: HostKeyFault::Uncertified, seen, .. } => format!(
                "mezite: refused to connect to {node}: no host key of it is pinned, and it shows no certificate of the \
                 cluster's Host CA for its name: {seen}. Pin its key with 'mezctl nodes rotate-host-key {node}', or \
                 make a certificate with 'mezctl auth sign --host={node}'"
            ),
            Self::HostKey { fault: HostKeyFault::Changed, pinned, seen } => format!(
                "mezite: refused to go on with {node}: it shows another host key than before, {seen} (pinned: {pinned}). \
                 If the host was re-installed, 'mezctl nodes rotate-host-key {node}'"
            ),
            Self::Login | Self::Braked => format!(
                "mezite: {node} refused login {login}: it does not trust the cluster's CA, or the account does not exist. \
                 See TrustedUserCAKeys, AllowUsers"
            ),
            Self::Silent(_) => format!(
                "mezite: cannot reach {node}: {self}. Check sshd on the node, and what it asks to let somebody in \
                 (PAM, DNS, directories)"
            ),
            Self::Queue => {
                format!(
                    "mezite: cannot reach {node}: too many connections wait for it. Try again in a moment"
                )
            }
            Self::Handshake(error) => format!(
                "mezite: cannot reach {node}: {}. Check sshd on the node with 'mezctl nodes get {node}'",
                handshake(error)
            ),
            Self::Credential(_) => {
                format!(
                    "mezite: cannot reach {node}: no certificate could be made for it. Ask an administrator"
                )
            }
        }
    }

    /// The word for the audit.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Resolve(_) => "resolve",
            Self::Forbidden(..) => "address",
            Self::Connect { .. } => "connect",
            Self::NoGreeting { .. } => "no_greeting",
            Self::HostKey { .. } => "host_key",
            Self::Login => "login_refused",
            Self::Braked => "login_braked",
            Self::Silent(_) => "silent",
            Self::Queue => "queue",
            Self::Handshake(_) => "handshake",
            Self::Credential(_) => "credential",
        }
    }
}

fn handshake(error: &LegError) -> String {
    match error {
        LegError::Engine(mezite_ssh::Error::Disconnected { text, .. }) => {
            format!("it disconnected during the handshake: {}", escape(text))
        }
        other => escape(other.to_string()),
    }
}
