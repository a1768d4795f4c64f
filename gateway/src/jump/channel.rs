//! One channel of a connection that leads to no node: a session, or a tunnel with an SSH connection inside.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use mezite_ssh::error::Misbehaviour;
use mezite_ssh::wire::{Writer, msg};

use crate::relay::Sender;
use crate::socket::Pipe;

/// Bytes that a client may send ahead of what the connection inside has taken.
pub const WINDOW: u32 = 256 << 10;
/// Largest data message, either way.
pub const MAX_PACKET: u32 = 32 << 10;
/// Bytes that are between the channel and the connection inside, each way.
const PIPE: usize = 64 << 10;

/// A channel that the client has opened.
pub struct Channel {
    /// The client's number.
    pub client: u32,
    /// Largest data message that the client takes.
    pub max_packet: usize,
    /// What the client sends.
    pub from_client: Sender,
    /// What we send.
    pub to_client: Sender,
    /// Where its bytes go.
    tunnel: Option<Tunnel>,
}

/// What joins a channel to the connection inside.
struct Tunnel {
    /// Bytes of the client that the connection inside has not room for.
    waiting: VecDeque<u8>,
    writer: Option<piper::Writer>,
    reader: piper::Reader,
    /// Bytes that have been taken and not yet granted again.
    taken: u32,
}

impl Channel {
    /// With the client's number, window and largest message. The client has [`WINDOW`].
    pub fn new(client: u32, window: u32, max_packet: u32) -> Result<Self, Misbehaviour> {
        let mut channel = Self {
            client,
            max_packet: usize::try_from(max_packet.min(MAX_PACKET)).unwrap_or_default(),
            from_client: Sender::default(),
            to_client: Sender::default(),
            tunnel: None,
        };
        channel.from_client.grant(WINDOW)?;
        channel.to_client.grant(window)?;
        Ok(channel)
    }

    /// From now on a connection is inside; the other end is for who serves it.
    pub fn tunnel(&mut self) -> Pipe {
        let (near, far) = Pipe::pair(PIPE);
        let (reader, writer) = near.split();
        self.tunnel = Some(Tunnel { waiting: VecDeque::new(), writer: Some(writer), reader, taken: 0 });
        far
    }

    /// Whether a connection is inside.
    pub fn is_tunnel(&self) -> bool {
        self.tunnel.is_some()
    }

    /// The client has sent bytes, within its window.
    pub fn receive(&mut self, bytes: &[u8]) {
        if let Some(tunnel) = &mut self.tunnel
            && tunnel.writer.is_some()
        {
            tunnel.waiting.extend(bytes);
        }
    }

    /// The client sends no more.
    pub fn end_of_client(&mut self) {
        self.from_client.eof = true;
    }

    /// Gives what waits to the connection inside. More window for the client, where enough was taken.
    pub fn poll_inwards(&mut self, cx: &mut Context<'_>) -> Option<u32> {
        let tunnel = self.tunnel.as_mut()?;
        while let Some(writer) = tunnel.writer.as_mut() {
            let (front, _) = tunnel.waiting.as_slices();
            if front.is_empty() {
                if self.from_client.eof {
                    tunnel.writer = None;
                }
                break;
            }
            match writer.poll_fill_bytes(cx, front) {
                Poll::Pending => break,
                Poll::Ready(0) => {
                    // The connection inside is over and reads no more.
                    tunnel.waiting = VecDeque::new();
                    tunnel.writer = None;
                }
                Poll::Ready(count) => {
                    tunnel.waiting.drain(..count);
                    tunnel.taken += u32::try_from(count).unwrap_or_default();
                }
            }
        }
        if tunnel.writer.is_none() || tunnel.taken < WINDOW / 2 {
            return None;
        }
        let taken = std::mem::take(&mut tunnel.taken);
        // It was granted before and has been spent since.
        self.from_client.grant(taken).ok().map(|()| taken)
    }

    /// Fills `message` with the next data message for the client. Ready without one: the connection inside is over.
    pub fn poll_outwards(&mut self, cx: &mut Context<'_>, message: &mut Vec<u8>) -> Poll<bool> {
        let Some(tunnel) = self.tunnel.as_mut() else { return Poll::Pending };
        let window = usize::try_from(self.to_client.window()).unwrap_or(usize::MAX);
        let most = window.min(self.max_packet);
        if self.to_client.eof || self.to_client.closed || most == 0 {
            return Poll::Pending;
        }
        if !ready!(tunnel.reader.poll(cx)) {
            return Poll::Ready(false);
        }
        let bytes = tunnel.reader.peek_buf();
        let bytes = bytes.get(..most).unwrap_or(bytes);
        message.clear();
        message.push(msg::CHANNEL_DATA);
        message.u32(self.client).string(bytes);
        let count = bytes.len();
        tunnel.reader.consume(count);
        Poll::Ready(self.to_client.spend(count).is_ok())
    }

    /// The connection inside is of no use any more.
    pub fn close_tunnel(&mut self) {
        self.tunnel = None;
    }
}
