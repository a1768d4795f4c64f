//! What can go wrong on a connection, sorted by fault; one match maps each to a disconnect code.

use thiserror::Error;

/// Why a connection ended. A failed engine keeps its error and returns it for ever.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// The peer broke a rule of the protocol.
    #[error("protocol error: {0}")]
    Misbehaved(Misbehaviour),
    /// Both sides follow the rules but have nothing in common.
    #[error("no common {what}: the peer offers {theirs}")]
    Incompatible {
        /// Which kind of algorithm.
        what: &'static str,
        /// The peer's list, as it sent it, at most 200 bytes.
        theirs: String,
    },
    /// The peer speaks another protocol or version.
    #[error("not an SSH-2 peer")]
    NotSsh,
    /// A packet's authentication tag, MAC or padding is wrong. They are not told apart on purpose.
    #[error("corrupted packet")]
    Corrupt,
    /// A packet is longer than this phase allows.
    #[error("packet too large")]
    TooLarge,
    /// Nothing came in time.
    #[error("timed out during {0}")]
    TimedOut(Phase),
    /// The server's host key was refused by the caller's [`crate::client::HostKeyPolicy`].
    #[error("host key refused")]
    HostKeyRefused,
    /// The server did not prove that it holds its host key.
    #[error("host key signature is wrong")]
    HostKeyUnproven,
    /// Too many failed or probing authentication requests.
    #[error("too many authentication attempts")]
    TooManyAttempts,
    /// The peer sent `SSH_MSG_DISCONNECT`.
    #[error("disconnected by the peer: {text}")]
    Disconnected {
        /// Reason code, RFC 4253 section 11.1.
        reason: u32,
        /// The peer's words, unescaped, at most 1024 bytes.
        text: String,
    },
    /// We ended the connection ourselves with `disconnect`.
    #[error("closed")]
    Closed,
    /// A primitive failed: no randomness, or a key that cannot sign.
    #[error("cryptographic failure")]
    Crypto,
}

/// What the peer did that the protocol forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Misbehaviour {
    /// A message does not have the form that its number promises.
    #[error("malformed message")]
    Malformed,
    /// A message came in a phase in which it has no place.
    #[error("message {0} out of place")]
    OutOfPlace(u8),
    /// Strict key exchange: something else than key exchange before the first keys.
    #[error("strict key exchange violated by message {0}")]
    StrictKex(u8),
    /// A bad or unknown identification line.
    #[error("bad identification line")]
    Identification,
    /// A key exchange value that the method refuses.
    #[error("bad key exchange value")]
    KeyExchange,
    /// The user or service name changed between authentication requests.
    #[error("user or service changed during authentication")]
    UserChanged,
    /// More traffic without content than a peer that has not authenticated may send.
    #[error("flood before authentication")]
    Flood,
    /// A packet length or padding that no valid packet has.
    #[error("bad packet length")]
    Length,
}

/// The phase in which a deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for the identification line.
    Identification,
    /// Key exchange.
    KeyExchange,
    /// User authentication.
    Authentication,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Identification => "identification",
            Self::KeyExchange => "key exchange",
            Self::Authentication => "authentication",
        })
    }
}

impl From<Misbehaviour> for Error {
    fn from(fault: Misbehaviour) -> Self {
        Self::Misbehaved(fault)
    }
}

/// Disconnect reason codes (RFC 4253 section 11.1).
pub mod reason {
    /// `SSH_DISCONNECT_PROTOCOL_ERROR`
    pub const PROTOCOL_ERROR: u32 = 2;
    /// `SSH_DISCONNECT_KEY_EXCHANGE_FAILED`
    pub const KEY_EXCHANGE_FAILED: u32 = 3;
    /// `SSH_DISCONNECT_MAC_ERROR`
    pub const MAC_ERROR: u32 = 5;
    /// `SSH_DISCONNECT_HOST_KEY_NOT_VERIFIABLE`
    pub const HOST_KEY_NOT_VERIFIABLE: u32 = 9;
    /// `SSH_DISCONNECT_CONNECTION_LOST`
    pub const CONNECTION_LOST: u32 = 10;
    /// `SSH_DISCONNECT_BY_APPLICATION`
    pub const BY_APPLICATION: u32 = 11;
    /// `SSH_DISCONNECT_TOO_MANY_CONNECTIONS`
    pub const TOO_MANY_CONNECTIONS: u32 = 12;
    /// `SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE`
    pub const NO_MORE_AUTH_METHODS: u32 = 14;
}

impl Error {
    /// The disconnect code that tells the peer, or `None` where nothing is to be said.
    pub fn disconnect_reason(&self) -> Option<u32> {
        match self {
            Self::Misbehaved(Misbehaviour::KeyExchange) | Self::Incompatible { .. } => {
                Some(reason::KEY_EXCHANGE_FAILED)
            }
            Self::Misbehaved(_) | Self::TooLarge => Some(reason::PROTOCOL_ERROR),
            Self::Corrupt => Some(reason::MAC_ERROR),
            Self::TimedOut(_) | Self::Crypto => Some(reason::BY_APPLICATION),
            Self::HostKeyRefused | Self::HostKeyUnproven => Some(reason::HOST_KEY_NOT_VERIFIABLE),
            Self::TooManyAttempts => Some(reason::NO_MORE_AUTH_METHODS),
            Self::NotSsh | Self::Disconnected { .. } | Self::Closed => None,
        }
    }
}
