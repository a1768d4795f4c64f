//! One channel: its two numbers, its windows, and how far each side has come with it.

use mezite_ssh::error::Misbehaviour;

use super::replies::Replies;
use super::session::Session;

/// A side of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The person's or bot's program.
    Client,
    /// The node's sshd.
    Node,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Node,
            Self::Node => Self::Client,
        }
    }
}

/// What one side may still send on a channel.
#[derive(Debug, Default)]
pub struct Sender {
    /// Bytes that the receiver is ready to take.
    window: u32,
    /// It has sent EOF.
    pub eof: bool,
    /// It has sent CLOSE.
    pub closed: bool,
    /// Bytes sent.
    pub bytes: u64,
    /// Requests of this side that wait for their replies.
    pub requests: Replies,
}

impl Sender {
    /// The receiver takes `bytes` more.
    pub fn grant(&mut self, bytes: u32) -> Result<(), Misbehaviour> {
        self.window = self.window.checked_add(bytes).ok_or(Misbehaviour::Malformed)?;
        Ok(())
    }

    /// `bytes` are sent; more than the window admits is a fault of the sender.
    pub fn spend(&mut self, bytes: usize) -> Result<(), Misbehaviour> {
        let count = u32::try_from(bytes).map_err(|_| Misbehaviour::Malformed)?;
        self.window = self.window.checked_sub(count).ok_or(Misbehaviour::Malformed)?;
        self.bytes += u64::from(count);
        Ok(())
    }

    /// Bytes that may be sent now.
    pub fn window(&self) -> u32 {
        self.window
    }
}

/// What a channel is for.
#[derive(Debug)]
pub enum Purpose {
    /// A session: shell, command or subsystem.
    Session(Session),
    /// A connection that the node makes for the client.
    Forward {
        /// The destination, escaped for people.
        destination: String,
    },
}

/// A channel that the client has opened.
#[derive(Debug)]
pub struct Channel {
    /// What it is for.
    pub purpose: Purpose,
    /// The client's number.
    pub client: u32,
    /// The node's number, once it has confirmed.
    pub node: Option<u32>,
    /// What the client sends.
    pub from_client: Sender,
    /// What the node sends.
    pub from_node: Sender,
    /// The gateway has ended it for both sides and waits for their CLOSE.
    pub ended: bool,
}

impl Channel {
    /// A channel that was asked for with the client's `window`.
    pub fn new(purpose: Purpose, client: u32, window: u32) -> Self {
        Self {
            purpose,
            client,
            node: None,
            from_client: Sender::default(),
            from_node: Sender { window, ..Sender::default() },
            ended: false,
        }
    }

    /// What `side` sends.
    pub fn from(&mut self, side: Side) -> &mut Sender {
        match side {
            Side::Client => &mut self.from_client,
            Side::Node => &mut self.from_node,
        }
    }

    /// The session, where it is one.
    pub fn session(&mut self) -> Option<&mut Session> {
        match &mut self.purpose {
            Purpose::Session(session) => Some(session),
            Purpose::Forward { .. } => None,
        }
    }

    /// Both sides have closed it.
    pub fn is_over(&self) -> bool {
        self.from_client.closed && self.from_node.closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_016_windows_neither_overflow_nor_overdraw() {
        let mut sender = Sender::default();
        assert!(sender.spend(1).is_err());
        sender.grant(10).unwrap();
        sender.spend(10).unwrap();
        assert!(sender.spend(1).is_err(), "one byte over");
        sender.grant(u32::MAX).unwrap();
        assert!(sender.grant(1).is_err(), "past 2^32-1");
        assert_eq!(sender.bytes, 10);
    }
}
