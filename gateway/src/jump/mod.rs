//! A connection that leads to no node: a jump host (`ssh -J`), or the subsystem `proxy:NODE:PORT`. Each of its channels
//! has an SSH connection inside, served like one that has come over TCP: who it is, and where it may go, is decided there.

mod channel;
mod channels;

pub use channels::Inner;

use std::task::{Context, Poll};

use futures_util::future::poll_fn;
use mezite_ssh::error::{Misbehaviour, reason};
use mezite_ssh::server::{Event, Server};

use crate::leg::{Leg, LegError};
use crate::rounds;
use channels::Channels;

/// What a jump tells the rest of the gateway.
pub trait Gate {
    /// A connection has come in through a tunnel.
    fn enter(&mut self, inner: Inner);
    /// Something was asked for that is not to be had here.
    fn refused(&mut self, what: String);
    /// Ready with a line for the person when the connection must end.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<String>;
}

/// Why it ended.
#[derive(Debug)]
pub enum End {
    /// The leg is over.
    Leg(LegError),
    /// The client broke the protocol.
    Violation(Misbehaviour),
    /// The gateway cut it, with this line.
    Cut(String),
}

/// A connection whose channels lead to nodes.
pub struct Jump<G> {
    client: Leg<Server>,
    channels: Channels,
    gate: G,
    message: Vec<u8>,
}

impl<G: Gate> Jump<G> {
    /// For a client that has authenticated. `cluster`: the name of this one.
    pub fn new(client: Leg<Server>, cluster: String, gate: G) -> Self {
        Self { client, channels: Channels::new(cluster), gate, message: Vec::new() }
    }

    /// Serves until the connection is over. The bytes that came and went, on the wire, and the gate.
    pub async fn run(mut self) -> (End, u64, u64, G) {
        let end = poll_fn(|cx| rounds::poll(cx, |cx| self.round(cx))).await;
        match &end {
            End::Leg(_) => {}
            End::Violation(fault) => {
                self.client.engine.fail(mezite_ssh::Error::Misbehaved(*fault));
                self.client.say_farewell().await;
            }
            End::Cut(line) => self.client.disconnect(reason::BY_APPLICATION, line).await,
        }
        (end, self.client.received(), self.client.sent(), self.gate)
    }

    /// One round: messages, tunnels, socket. True when anything moved.
    fn round(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        if let Poll::Ready(line) = self.gate.poll_cut(cx) {
            return Err(End::Cut(line));
        }
        let mut progress = self.client.poll_timer(cx);
        while self.client.engine.can_send()
            && let Some(event) = self.client.engine.poll_event().map_err(|error| End::Leg(error.into()))?
        {
            if let Event::Message(payload) = event {
                self.channels.handle(payload).map_err(End::Violation)?;
                self.flush();
            }
        }
        self.channels.poll_inwards(cx);
        self.flush();
        while self.client.engine.can_send() && self.channels.poll_outwards(cx, &mut self.message) {
            self.client.engine.send(&self.message);
        }
        self.flush();
        progress |= self.client.poll_write(cx).map_err(End::Leg)?;
        if self.client.engine.can_send()
            && let Poll::Ready(read) = self.client.poll_read(cx)
        {
            progress |= read.map_err(End::Leg)?;
        }
        Ok(progress)
    }

    /// Sends our answers and passes on what has come in.
    fn flush(&mut self) {
        for answer in self.channels.take_answers() {
            self.client.engine.send(&answer);
        }
        for inner in self.channels.take_inner() {
            self.gate.enter(inner);
        }
        for what in self.channels.take_refused() {
            self.gate.refused(what);
        }
    }
}
