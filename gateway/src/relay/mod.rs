//! The relay: one task that owns both legs of a connection and passes packets between them.
//!
//! A message of one leg is judged by the permit table (`table.rs`), and then sealed into the other leg's send buffer as it is. Nothing
//! is taken from a leg while the other cannot send: that is all the flow control there is, the windows are end to end.

mod channel;
mod gate;
pub(crate) mod message;
mod replies;
mod requests;
mod session;
mod table;

pub use gate::{Gate, Refused, Starting};
pub use session::{Exit, Session, Start, Tap, TapError};
pub use table::Notice;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, join, poll_fn};
use mezite_access::{OwnSshd, Permits};
use mezite_actors::time::Timer;
use mezite_api::escape;
use mezite_ssh::client::{self, Client};
use mezite_ssh::error::reason;
use mezite_ssh::server::{self, Server};
use mezite_ssh::wire::msg;

use crate::leg::{Leg, LegError};
use crate::rounds;
pub use channel::{Sender, Side};
pub use table::Violation;
#[cfg(not(fuzzing))]
use table::{Hold, Table, Verdict};
#[cfg(fuzzing)]
pub use table::{Hold, Table, Verdict};

/// Sealed output may take so long to leave when the other leg is gone.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// What a connection may do.
pub struct Terms {
    /// What the roles permit.
    pub permits: Arc<Permits>,
    /// The sshd at the far end.
    pub own: OwnSshd,
    /// The certificate does not withhold forwarding.
    pub forwards: bool,
}

/// A connection that is over.
pub struct Ended<G> {
    /// Why.
    pub end: End,
    /// The gate, back.
    pub gate: G,
    /// Bytes that came from the client, on the wire.
    pub from_client: u64,
    /// Bytes that went to the client, on the wire.
    pub to_client: u64,
}

/// Why a connection ended.
#[derive(Debug)]
pub enum End {
    /// The leg of this side is over.
    Leg(Side, LegError),
    /// This side broke the protocol.
    Violation(Side, Violation),
    /// The gateway cut it, with this line.
    Cut(Refused),
}

/// A message that waits for a decision.
enum Held {
    Open {
        payload: Vec<u8>,
        channel: u32,
        window: u32,
        decision: BoxFuture<'static, Result<Session, Refused>>,
    },
    Start {
        payload: Vec<u8>,
        channel: u32,
        want_reply: bool,
        decision: BoxFuture<'static, Result<Option<Box<dyn Tap>>, Refused>>,
    },
}

/// A connection whose both legs stand.
pub struct Relay<G> {
    client: Leg<Server>,
    node: Leg<Client>,
    table: Table,
    gate: G,
    held: Option<Held>,
    /// The client's number of a session whose recording holds the node back.
    full_tap: Option<u32>,
    idle: Idle,
}

/// Cuts a connection whose client has not sent channel data for too long.
struct Idle {
    limit: Option<Duration>,
    last: Instant,
    timer: Timer,
}

impl Idle {
    fn touch(&mut self) {
        if self.limit.is_some() {
            self.last = Instant::now();
        }
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(limit) = self.limit else { return false };
        self.timer.set(Some(self.last + limit));
        self.timer.poll_expired(cx).is_ready()
    }
}

/// How a direction stands after a round.
#[derive(PartialEq, Eq)]
enum Flow {
    /// Everything that has come was passed on: more may be read.
    Drained,
    /// The receiver, a decision or a recording holds it back.
    Blocked,
}

impl<G: Gate> Relay<G> {
    /// Joins two legs that have authenticated.
    pub fn new(client: Leg<Server>, node: Leg<Client>, terms: Terms, gate: G) -> Self {
        let Terms { permits, own, forwards } = terms;
        let idle = Idle { limit: permits.client_idle_timeout, last: Instant::now(), timer: Timer::new() };
        let table = Table::new(permits, own, forwards);
        Self { client, node, table, gate, held: None, full_tap: None, idle }
    }

    /// Relays until the connection is over, says so to whoever is left, and closes what was open.
    pub async fn run(mut self) -> Ended<G> {
        let end = poll_fn(|cx| rounds::poll(cx, |cx| self.round(cx))).await;
        log::debug!("relay over: {end:?}");
        self.table.remove_all();
        self.flush_notices();
        self.take_leave(&end).await;
        let (from_client, to_client) = (self.client.received(), self.client.sent());
        Ended { end, gate: self.gate, from_client, to_client }
    }

    /// One round: decisions, messages, sockets. True when anything moved.
    fn round(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        if let Poll::Ready(line) = self.gate.poll_cut(cx) {
            return Err(End::Cut(line));
        }
        if self.idle.poll_over(cx) {
            return Err(End::Cut("mezite: disconnected: nothing was sent for too long.".to_owned()));
        }
        let mut progress = self.client.poll_timer(cx) | self.node.poll_timer(cx);
        let mut from_client = self.pump_client()?;
        // A decision that was asked for just now is polled at once, so that it wakes us.
        while self.poll_held(cx)? {
            from_client = self.pump_client()?;
            progress = true;
        }
        let from_node = self.pump_node(cx)?;
        self.flush_answers();
        self.flush_notices();
        progress |= self.node.poll_write(cx).map_err(|e| End::Leg(Side::Node, e))?;
        progress |= self.client.poll_write(cx).map_err(|e| End::Leg(Side::Client, e))?;
        if from_node == Flow::Drained
            && let Poll::Ready(read) = self.node.poll_read(cx)
        {
            progress |= read.map_err(|e| End::Leg(Side::Node, e))?;
        }
        if from_client == Flow::Drained
            && let Poll::Ready(read) = self.client.poll_read(cx)
        {
            progress |= read.map_err(|e| End::Leg(Side::Client, e))?;
        }
        Ok(progress)
    }

    /// Passes on what the client has sent.
    fn pump_client(&mut self) -> Result<Flow, End> {
        let fault = |error: mezite_ssh::Error| End::Leg(Side::Client, error.into());
        while self.node.engine.can_send() && self.held.is_none() {
            let payload = match self.client.engine.poll_event().map_err(fault)? {
                Some(server::Event::Message(payload)) => payload,
                Some(server::Event::Authenticate(_)) | None => return Ok(Flow::Drained),
            };
            let verdict =
                self.table.judge(Side::Client, payload).map_err(|v| End::Violation(Side::Client, v))?;
            match verdict {
                Verdict::Forward | Verdict::Output { .. } => {
                    if matches!(payload.first(), Some(&(msg::CHANNEL_DATA | msg::CHANNEL_EXTENDED_DATA))) {
                        self.idle.touch();
                    }
                    self.node.engine.send(payload);
                }
                Verdict::Drop => {}
                Verdict::Hold(hold) => {
                    let payload = payload.to_vec();
                    self.hold(hold, payload);
                }
            }
            self.flush_answers();
        }
        Ok(Flow::Blocked)
    }

    /// Passes on what the node has sent, to the client and to the recordings.
    fn pump_node(&mut self, cx: &mut Context<'_>) -> Result<Flow, End> {
        let fault = |error: mezite_ssh::Error| End::Leg(Side::Node, error.into());
        while self.client.engine.can_send() && self.tap_has_room(cx) {
            let Some(client::Event::Message(payload)) = self.node.engine.poll_event().map_err(fault)? else {
                return Ok(Flow::Drained);
            };
            let verdict = self.table.judge(Side::Node, payload).map_err(|v| End::Violation(Side::Node, v))?;
            match verdict {
                Verdict::Forward => self.client.engine.send(payload),
                Verdict::Output { channel, stderr } => {
                    // The head is number, recipient, (type,) length.
                    let head = if stderr { 13 } else { 9 };
                    if let Some(tap) = self.table.tap(channel) {
                        tap.output(stderr, payload.get(head..).unwrap_or_default());
                        self.full_tap = Some(channel);
                    }
                    self.client.engine.send(payload);
                }
                Verdict::Drop | Verdict::Hold(_) => {}
            }
            self.flush_answers();
        }
        Ok(Flow::Blocked)
    }

    /// Whether the recording that took something last can take more. A recording that failed ends its session.
    fn tap_has_room(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(channel) = self.full_tap else { return true };
        if let Some(tap) = self.table.tap(channel) {
            match tap.poll_room(cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    let line = format!(
                        "mezite: session ended: {error}, and this session may not go on unrecorded. \
                         Ask an administrator.\r\n"
                    );
                    self.table.end_session(channel, &line);
                }
            }
        }
        self.full_tap = None;
        true
    }

    fn hold(&mut self, hold: Hold, payload: Vec<u8>) {
        self.held = match hold {
            Hold::Open { channel, window } => {
                let decision = self.gate.open(self.table.sessions());
                Some(Held::Open { payload, channel, window, decision })
            }
            Hold::Start { channel, start, want_reply } => {
                self.table.starting(channel, start).map(|starting| {
                    let decision = self.gate.start(starting);
                    Held::Start { payload, channel, want_reply, decision }
                })
            }
        };
    }

    /// Takes the decision that the client's messages wait for. True when there is one.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let violation = |v| End::Violation(Side::Client, v);
        match self.held.as_mut() {
            None => return Ok(false),
            Some(Held::Open { payload, channel, window, decision }) => {
                let Poll::Ready(decision) = decision.as_mut().poll(cx) else { return Ok(false) };
                match decision {
                    Ok(session) => {
                        self.table.session_permitted(*channel, *window, session);
                        self.node.engine.send(payload);
                    }
                    Err(line) => self.table.session_refused(*channel, &line),
                }
            }
            Some(Held::Start { payload, channel, want_reply, decision }) => {
                let Poll::Ready(decision) = decision.as_mut().poll(cx) else { return Ok(false) };
                match decision {
                    Ok(tap) => {
                        if self.table.start_permitted(*channel, *want_reply, tap).map_err(violation)? {
                            self.node.engine.send(payload);
                        }
                    }
                    Err(line) => {
                        let line = format!("{line}\r\n");
                        self.table.start_refused(*channel, *want_reply, &line).map_err(violation)?;
                    }
                }
            }
        }
        self.held = None;
        self.flush_answers();
        Ok(true)
    }

    fn flush_answers(&mut self) {
        for (side, message) in self.table.take_answers() {
            match side {
                Side::Client => self.client.engine.send(&message),
                Side::Node => self.node.engine.send(&message),
            }
        }
    }

    fn flush_notices(&mut self) {
        for notice in self.table.take_notices() {
            self.gate.note(notice);
        }
    }

    /// Tells the leg that is left why it ends, after everything that was on its way to it.
    async fn take_leave(&mut self, end: &End) {
        let (code, text) = self.words(end);
        let gone = match end {
            End::Leg(side, _) => Some(*side),
            End::Violation(side, Violation(fault)) => {
                let error = mezite_ssh::Error::Misbehaved(*fault);
                match side {
                    Side::Client => self.client.engine.fail(error),
                    Side::Node => self.node.engine.fail(error),
                }
                None
            }
            End::Cut(_) => None,
        };
        if gone != Some(Side::Client) {
            self.client.engine.disconnect(code, &text);
        }
        if gone != Some(Side::Node) {
            self.node.engine.disconnect(code, &text);
        }
        if matches!(end, End::Cut(_)) {
            // Who is shut out is not waited for.
            join(self.client.say_farewell(), self.node.say_farewell()).await;
            return;
        }
        let _ = mezite_actors::time::timeout(LAST_WORDS, self.client.flush()).await;
        self.node.say_farewell().await;
    }

    /// The disconnect message for the other leg. A disconnect of one peer reaches the other with its code and text.
    fn words(&mut self, end: &End) -> (u32, String) {
        match end {
            End::Leg(_, LegError::Engine(mezite_ssh::Error::Disconnected { reason, text })) => {
                (*reason, escape(text))
            }
            End::Leg(Side::Client, _) => (reason::CONNECTION_LOST, "the client is gone".to_owned()),
            End::Leg(Side::Node, error) => (reason::CONNECTION_LOST, self.gate.lost(error)),
            End::Violation(side, Violation(fault)) => {
                let who = if *side == Side::Client { "client" } else { "node" };
                (reason::PROTOCOL_ERROR, format!("mezite: the {who} broke the protocol: {fault}"))
            }
            End::Cut(line) => (reason::BY_APPLICATION, line.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
