//! The pump that both roles share: identification, packets, key exchange and its repetition, and the messages that
//! belong to the transport alone. Everything else is handed up.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::error::{Error, Misbehaviour, Phase};
use crate::exchange::{Agreed, Exchange, Running};
use crate::ident::{self, IdentificationReader};
use crate::keys::{ExchangeHash, KeySource};
use crate::negotiate::{self, KexInit, Proposal, Side};
use crate::packet::{Carried, Inbound, Keys, Outbound};
use crate::timer::{Timer, Timers};
use crate::wire::{Reader, Writer, bounded_text, msg};

/// Sealed bytes that may wait for the socket before we stop reading from the peer and taking from the other leg.
pub const SEND_HIGH_WATER: usize = 256 * 1024;

/// Messages without content that a peer may send before it has authenticated.
const MAX_EARLY_NOISE: u32 = 256;
/// Key exchanges in a row that carried next to nothing.
const MAX_IDLE_EXCHANGES: u32 = 32;
const IDLE_EXCHANGE_BYTES: u64 = 16 * 1024;
const RARE_EXCHANGE: Duration = Duration::from_secs(10);

/// Deadlines and volumes of a connection.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For the identification line.
    pub identification: Duration,
    /// A server waits so long for the client's KEXINIT before it sends its own.
    pub proposal_delay: Duration,
    /// For each key exchange.
    pub key_exchange: Duration,
    /// From the beginning of the connection to the end of user authentication.
    pub authentication: Duration,
    /// Keys are replaced after so many bytes in either direction,
    pub rekey_bytes: u64,
    /// or packets,
    pub rekey_packets: u64,
    /// or so much time.
    pub rekey_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            identification: Duration::from_secs(10),
            proposal_delay: Duration::from_millis(250),
            key_exchange: Duration::from_secs(15),
            authentication: Duration::from_mins(2),
            rekey_bytes: 1 << 30,
            rekey_packets: 1 << 31,
            rekey_after: Duration::from_hours(1),
        }
    }
}

/// Names of what a key exchange has chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Algorithms {
    /// Key exchange method.
    pub kex: &'static str,
    /// Host key (signature) algorithm.
    pub host_key: &'static str,
    /// Cipher from the server to the client.
    pub cipher: &'static str,
}

/// Where the key exchange stands.
enum Kex {
    /// Nothing runs.
    Idle,
    /// Our KEXINIT is out, the peer's has not come.
    Proposed { proposal: Proposal, payload: Vec<u8> },
    /// Both are known, the method runs.
    Running(Box<Running>),
    /// We have sent NEWKEYS, the peer has not.
    Settling(Keys<dyn crate::cipher::OpeningKey>),
}

/// A message for the role or the caller.
pub struct Packet {
    /// Message number.
    pub number: u8,
    /// Where the payload lies, number included.
    pub range: Range<usize>,
}

/// The shared part of a connection.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent facts, each of one moment of the handshake"
)]
pub struct Transport {
    side: Side,
    limits: Limits,
    inbound: Inbound,
    outbound: Outbound,
    lines: IdentificationReader,
    peer_line: Option<Vec<u8>>,
    kex: Kex,
    session_id: Option<ExchangeHash>,
    strict: bool,
    /// The peer's first NEWKEYS has come.
    secured: bool,
    peer_wants_ext_info: bool,
    authenticated: bool,
    early_noise: u32,
    idle_exchanges: u32,
    last_exchange: Option<Instant>,
    /// Messages that wait for the end of the key exchange.
    waiting: VecDeque<Vec<u8>>,
    timers: Timers,
    now: Instant,
    failed: Option<Error>,
    chosen: Option<negotiate::Chosen>,
}

impl Transport {
    /// A new connection; our identification line is ready to be sent.
    pub fn new(side: Side, limits: Limits, now: Instant) -> Self {
        let mut timers = Timers::default();
        timers.set(Timer::Identification, now + limits.identification);
        timers.set(Timer::Authentication, now + limits.authentication);
        let mut outbound = Outbound::default();
        outbound.raw(ident::OURS);
        outbound.raw(b"\r\n");
        Self {
            side,
            limits,
            inbound: Inbound::default(),
            outbound,
            lines: IdentificationReader::default(),
            peer_line: None,
            kex: Kex::Idle,
            session_id: None,
            strict: false,
            secured: false,
            peer_wants_ext_info: false,
            authenticated: false,
            early_noise: 0,
            idle_exchanges: 0,
            last_exchange: None,
            waiting: VecDeque::new(),
            timers,
            now,
            failed: None,
            chosen: None,
        }
    }

    // Input

    /// Room for the next read from the socket; empty when what has come must be taken first.
    pub fn receive_space(&mut self) -> &mut [u8] {
        self.inbound.space()
    }

    /// `count` bytes were read into [`Self::receive_space`] at `now`.
    pub fn handle_received(&mut self, count: usize, now: Instant) {
        self.now = now;
        self.inbound.filled(count);
    }

    /// Gives back the receive buffer where it is empty.
    pub fn release(&mut self) {
        self.inbound.release();
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant, role: &mut dyn Exchange) {
        self.now = now;
        while let Some(timer) = self.timers.take_due(now) {
            if self.failed.is_some() {
                return;
            }
            let outcome = match timer {
                Timer::Identification => Err(Error::TimedOut(Phase::Identification)),
                Timer::KeyExchange => Err(Error::TimedOut(Phase::KeyExchange)),
                Timer::Authentication if self.authenticated => Ok(()),
                Timer::Authentication => Err(Error::TimedOut(Phase::Authentication)),
                Timer::Proposal | Timer::Rekey => self.propose(role),
            };
            if let Err(error) = outcome {
                self.fail(error);
            }
        }
    }

    /// Sends a message, or keeps it until the running key exchange is over. Nothing follows a farewell.
    pub fn send(&mut self, payload: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        if self.is_exchanging() {
            self.waiting.push_back(payload.to_vec());
        } else {
            self.send_now(payload);
        }
    }

    /// Ends the connection with a reason; the driver still sends what is in [`Self::transmit`].
    pub fn disconnect(&mut self, reason: u32, text: &str) {
        if self.failed.is_none() {
            self.send_disconnect(reason, text);
            self.failed = Some(Error::Closed);
        }
    }

    /// The connection is over for `error`: tells the peer where that is due and keeps the error.
    pub fn fail(&mut self, error: Error) {
        if self.failed.is_none() {
            if let Some(reason) = error.disconnect_reason() {
                self.send_disconnect(reason, &error.to_string());
            }
            self.failed = Some(error);
        }
    }

    /// The peer has authenticated (or we have): the early limits end.
    pub fn set_authenticated(&mut self) {
        self.authenticated = true;
        self.inbound.set_authenticated();
        self.timers.stop(Timer::Authentication);
    }

    // Output

    /// Bytes for the socket.
    pub fn transmit(&self) -> &[u8] {
        self.outbound.bytes()
    }

    /// The socket took `count` bytes of [`Self::transmit`].
    pub fn handle_transmitted(&mut self, count: usize) {
        self.outbound.consume(count);
    }

    /// When [`Self::handle_timeout`] is next due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.failed.is_some() { None } else { self.timers.next() }
    }

    /// A message may be relayed to the peer now: no key exchange runs and the socket keeps up.
    pub fn can_send(&self) -> bool {
        !self.is_exchanging() && self.outbound.bytes().len() < SEND_HIGH_WATER
    }

    /// The error that ended the connection.
    pub fn error(&self) -> Option<&Error> {
        self.failed.as_ref()
    }

    /// The peer's identification line.
    pub fn peer_line(&self) -> Option<&[u8]> {
        self.peer_line.as_deref()
    }

    /// The hash of the first key exchange.
    pub fn session_id(&self) -> Option<&ExchangeHash> {
        self.session_id.as_ref()
    }

    /// The algorithms in use, for people.
    pub fn algorithms(&self) -> Option<Algorithms> {
        self.chosen.as_ref().map(|chosen| Algorithms {
            kex: chosen.method.name,
            host_key: chosen.host_key,
            cipher: chosen.server_to_client.cipher.name,
        })
    }

    /// The first keys are in place in both directions.
    pub fn is_secured(&self) -> bool {
        self.secured
    }

    /// The payload of a packet that [`Self::next`] has just returned.
    pub fn payload(&self, packet: &Packet) -> &[u8] {
        self.inbound.payload(packet.range.clone())
    }

    /// The next message that is not the transport's own.
    pub fn next(&mut self, role: &mut dyn Exchange) -> Result<Option<Packet>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let next = self.take_next(role);
        if let Err(error) = &next {
            self.fail(error.clone());
        }
        next
    }

    fn take_next(&mut self, role: &mut dyn Exchange) -> Result<Option<Packet>, Error> {
        if self.peer_line.is_none() && !self.read_line(role)? {
            return Ok(None);
        }
        self.rekey_by_volume(role)?;
        // Answers of our own must not pile up before a peer that does not read.
        while self.outbound.bytes().len() < 2 * SEND_HIGH_WATER {
            let sequence = self.inbound.sequence();
            let Some(range) = self.inbound.next()? else { return Ok(None) };
            let number = *self.inbound.payload(range.clone()).first().ok_or(Misbehaviour::Malformed)?;
            self.check_phase(number)?;
            let packet = Packet { number, range };
            if !self.handle_own(&packet, sequence, role)? {
                return Ok(Some(packet));
            }
        }
        Ok(None)
    }

    // Identification

    fn read_line(&mut self, role: &mut dyn Exchange) -> Result<bool, Error> {
        let (used, line) = self.lines.read(self.inbound.raw(), self.side == Side::Client)?;
        self.inbound.consume_raw(used);
        let Some(line) = line else { return Ok(false) };
        self.peer_line = Some(line);
        self.timers.stop(Timer::Identification);
        self.timers.set(Timer::KeyExchange, self.now + self.limits.key_exchange);
        match self.side {
            Side::Client => self.propose(role)?,
            Side::Server => self.timers.set(Timer::Proposal, self.now + self.limits.proposal_delay),
        }
        Ok(true)
    }

    // Messages

    /// Refuses what has no place now (RFC 4253 section 7.1, and strict key exchange).
    fn check_phase(&self, number: u8) -> Result<(), Misbehaviour> {
        let transport = matches!(number, msg::DISCONNECT..=msg::DEBUG);
        let exchange = matches!(number, msg::KEXINIT..=49);
        match &self.kex {
            _ if number == msg::DISCONNECT => Ok(()),
            Kex::Idle | Kex::Proposed { .. } if self.session_id.is_some() => Ok(()),
            Kex::Idle | Kex::Proposed { .. } if transport || number == msg::KEXINIT => Ok(()),
            Kex::Running(_) | Kex::Settling(_) if exchange => Ok(()),
            Kex::Running(_) | Kex::Settling(_) if transport => {
                if self.strict && !self.secured {
                    Err(Misbehaviour::StrictKex(number))
                } else {
                    Ok(())
                }
            }
            _ => Err(Misbehaviour::OutOfPlace(number)),
        }
    }

    /// Handles the transport's own messages; false for what is somebody else's.
    fn handle_own(&mut self, packet: &Packet, sequence: u32, role: &mut dyn Exchange) -> Result<bool, Error> {
        match packet.number {
            msg::DISCONNECT => return Err(self.disconnected(packet)),
            msg::IGNORE | msg::UNIMPLEMENTED | msg::DEBUG | msg::PONG => self.count_noise()?,
            msg::EXT_INFO => {
                check_ext_info(self.payload(packet))?;
                self.count_noise()?;
            }
            msg::PING => {
                self.count_noise()?;
                let mut reader = Reader::new(self.payload(packet));
                reader.u8()?;
                let mut pong = vec![msg::PONG];
                pong.string(reader.string()?);
                reader.end()?;
                self.send(&pong);
            }
            msg::KEXINIT => self.peer_proposed(packet, sequence, role)?,
            msg::NEWKEYS => self.peer_settled()?,
            msg::KEX_INIT..=49 => self.method_message(packet, role)?,
            msg::SERVICE_REQUEST | msg::SERVICE_ACCEPT | 50..=127 => return Ok(false),
            _ => {
                self.count_noise()?;
                let mut answer = vec![msg::UNIMPLEMENTED];
                answer.u32(sequence);
                self.send(&answer);
            }
        }
        Ok(true)
    }

    fn disconnected(&self, packet: &Packet) -> Error {
        let mut reader = Reader::new(self.payload(packet));
        let parsed = (|| {
            reader.u8()?;
            let reason = reader.u32()?;
            Ok::<_, Misbehaviour>((reason, bounded_text(reader.string()?, 1024)))
        })();
        let (reason, text) = parsed.unwrap_or_default();
        Error::Disconnected { reason, text }
    }

    fn count_noise(&mut self) -> Result<(), Misbehaviour> {
        if !self.authenticated {
            self.early_noise += 1;
            if self.early_noise > MAX_EARLY_NOISE {
                return Err(Misbehaviour::Flood);
            }
        }
        Ok(())
    }

    // Key exchange

    /// Our KEXINIT is out and our NEWKEYS is not: only the transport may speak.
    fn is_exchanging(&self) -> bool {
        matches!(self.kex, Kex::Proposed { .. } | Kex::Running(_)) || self.session_id.is_none()
    }

    fn rekey_by_volume(&mut self, role: &mut dyn Exchange) -> Result<(), Error> {
        let worn = |carried: Carried| {
            carried.bytes >= self.limits.rekey_bytes || carried.packets >= self.limits.rekey_packets
        };
        if self.authenticated && (worn(self.inbound.carried()) || worn(self.outbound.carried())) {
            self.propose(role)?;
        }
        Ok(())
    }

    /// Sends our KEXINIT unless an exchange is running already.
    fn propose(&mut self, role: &mut dyn Exchange) -> Result<(), Error> {
        if matches!(self.kex, Kex::Idle) {
            self.start_exchange(role.proposal(None, self.strict))?;
        }
        Ok(())
    }

    fn start_exchange(&mut self, proposal: Proposal) -> Result<(), Error> {
        let payload = proposal.encode(self.side, self.session_id.is_none())?;
        self.send_now(&payload);
        self.kex = Kex::Proposed { proposal, payload };
        self.timers.stop(Timer::Proposal);
        self.timers.stop(Timer::Rekey);
        self.timers.set(Timer::KeyExchange, self.now + self.limits.key_exchange);
        Ok(())
    }

    fn peer_proposed(
        &mut self,
        packet: &Packet,
        sequence: u32,
        role: &mut dyn Exchange,
    ) -> Result<(), Error> {
        let peer = if self.side == Side::Client { Side::Server } else { Side::Client };
        let theirs = KexInit::decode(self.payload(packet), peer)?;
        if self.session_id.is_none() {
            self.strict = theirs.strict;
            self.peer_wants_ext_info = theirs.ext_info;
            if self.strict && sequence != 0 {
                return Err(Misbehaviour::StrictKex(msg::KEXINIT).into());
            }
        }
        if matches!(self.kex, Kex::Idle) {
            self.start_exchange(role.proposal(Some(&theirs), self.strict))?;
        }
        let Kex::Proposed { proposal, payload } = std::mem::replace(&mut self.kex, Kex::Idle) else {
            return Err(Misbehaviour::OutOfPlace(msg::KEXINIT).into());
        };
        let chosen = negotiate::choose(&proposal, &theirs, self.side, self.strict)?;
        let running = self.running(chosen, payload, theirs.payload);
        let opening_message = role.begin(&running)?;
        self.kex = Kex::Running(Box::new(running));
        if let Some(message) = opening_message {
            self.send_now(&message);
        }
        Ok(())
    }

    fn running(&self, chosen: negotiate::Chosen, ours: Vec<u8>, theirs: Vec<u8>) -> Running {
        let peer_line = self.peer_line.clone().unwrap_or_default();
        let our_line = ident::OURS.to_vec();
        let (client, server) = match self.side {
            Side::Client => ((our_line, ours), (peer_line, theirs)),
            Side::Server => ((peer_line, theirs), (our_line, ours)),
        };
        Running {
            chosen,
            client_line: client.0,
            server_line: server.0,
            client_init: client.1,
            server_init: server.1,
            skip: chosen.skip_guess,
        }
    }

    fn method_message(&mut self, packet: &Packet, role: &mut dyn Exchange) -> Result<(), Error> {
        let out_of_place = Error::from(Misbehaviour::OutOfPlace(packet.number));
        let Kex::Running(running) = &mut self.kex else { return Err(out_of_place) };
        if std::mem::take(&mut running.skip) {
            return Ok(());
        }
        let agreed = role.finish(running, self.inbound.payload(packet.range.clone()))?;
        let chosen = running.chosen;
        self.settle(&agreed, chosen)
    }

    /// Sends NEWKEYS and what waited; the peer's keys start with its own NEWKEYS.
    fn settle(&mut self, agreed: &Agreed, chosen: negotiate::Chosen) -> Result<(), Error> {
        let first = self.session_id.is_none();
        let session_id = *self.session_id.get_or_insert(agreed.hash);
        let source = KeySource { secret: &agreed.secret, hash: &agreed.hash, session_id: &session_id };
        let (peer, to_peer, from_peer) = match self.side {
            Side::Client => (Side::Server, chosen.client_to_server, chosen.server_to_client),
            Side::Server => (Side::Client, chosen.server_to_client, chosen.client_to_server),
        };
        let opening = source.opening(&from_peer, peer)?;
        let sealing = source.sealing(&to_peer, self.side)?;
        if let Some(reply) = &agreed.reply {
            self.send_now(reply);
        }
        self.send_now(&[msg::NEWKEYS]);
        self.count_idle_exchange()?;
        self.outbound.rekey(sealing, self.strict);
        self.kex = Kex::Settling(opening);
        self.chosen = Some(chosen);
        if first && self.side == Side::Server && self.peer_wants_ext_info {
            self.send_now(&ext_info());
        }
        while let Some(message) = self.waiting.pop_front() {
            self.send_now(&message);
        }
        Ok(())
    }

    fn count_idle_exchange(&mut self) -> Result<(), Misbehaviour> {
        let carried = self.inbound.carried().bytes + self.outbound.carried().bytes;
        let rare = self.last_exchange.is_none_or(|at| self.now > at + RARE_EXCHANGE);
        self.idle_exchanges = if rare || carried > IDLE_EXCHANGE_BYTES { 0 } else { self.idle_exchanges + 1 };
        self.last_exchange = Some(self.now);
        if self.idle_exchanges > MAX_IDLE_EXCHANGES { Err(Misbehaviour::Flood) } else { Ok(()) }
    }

    fn peer_settled(&mut self) -> Result<(), Error> {
        let Kex::Settling(keys) = std::mem::replace(&mut self.kex, Kex::Idle) else {
            return Err(Misbehaviour::OutOfPlace(msg::NEWKEYS).into());
        };
        self.inbound.rekey(keys, self.strict);
        self.secured = true;
        self.timers.stop(Timer::KeyExchange);
        self.timers.set(Timer::Rekey, self.now + self.limits.rekey_after);
        Ok(())
    }

    fn send_now(&mut self, payload: &[u8]) {
        if let Err(error) = self.outbound.send(payload) {
            self.failed.get_or_insert(error);
        }
    }

    fn send_disconnect(&mut self, reason: u32, text: &str) {
        let mut message = vec![msg::DISCONNECT];
        message.u32(reason).string(text).string("");
        self.send_now(&message);
    }
}

/// RFC 8308: what we take in signatures, and that we answer `ping@openssh.com`.
fn ext_info() -> Vec<u8> {
    let plain = crate::hostkey::ALGORITHMS.iter().filter(|algorithm| !algorithm.certificate);
    let algorithms: Vec<_> = plain.map(|algorithm| algorithm.name).collect();
    let mut message = vec![msg::EXT_INFO];
    message.u32(2);
    message.string("server-sig-algs").string(algorithms.join(","));
    message.string("ping@openssh.com").string("0");
    message
}

fn check_ext_info(payload: &[u8]) -> Result<(), Misbehaviour> {
    let mut reader = Reader::new(payload);
    reader.u8()?;
    for _ in 0..reader.u32()? {
        reader.string()?;
        reader.string()?;
    }
    reader.end()
}
