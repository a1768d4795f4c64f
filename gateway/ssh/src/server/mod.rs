//! The server role: a connection that was accepted.

mod auth;
mod kex;

pub use auth::{MAX_FAILURES, Method, ProvenKey, Request};

use std::sync::Arc;
use std::time::Instant;

use crate::error::{Error, Misbehaviour};
use crate::hostkey::Signer;
use crate::transport::{Limits, Packet, Transport};
use crate::wire::{Reader, Writer, msg};
use auth::Authentication;
use kex::ServerExchange;

/// What a server needs to know.
pub struct Config {
    /// Host keys and certificates, most preferred first.
    pub host_keys: Vec<Arc<dyn Signer>>,
    /// Deadlines and volumes.
    pub limits: Limits,
}

/// What comes out of a server.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The client wants to authenticate. Nothing more comes until it is answered with [`Server::accept`],
    /// [`Server::refuse`], [`Server::confirm_key`] or [`Server::ask`].
    Authenticate(Request),
    /// A message of the connection protocol (numbers 80 to 127) from an authenticated client.
    Message(&'a [u8]),
}

/// How far the client has come.
enum Phase {
    /// It has to ask for `ssh-userauth`.
    Service,
    /// It authenticates.
    Authentication(Authentication),
    /// It is in.
    Open,
}

/// The engine of an accepted connection. See the crate's documentation for the order of calls.
pub struct Server {
    transport: Transport,
    exchange: ServerExchange,
    phase: Phase,
}

impl Server {
    /// A connection that has just been accepted.
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            transport: Transport::new(crate::negotiate::Side::Server, config.limits, now),
            exchange: ServerExchange::new(config.host_keys),
            phase: Phase::Service,
        }
    }

    /// Time has passed: call when [`Transport::poll_timeout`] says so.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.transport.handle_timeout(now, &mut self.exchange);
    }

    /// The next event, or `None` until something else happens.
    ///
    /// # Errors
    /// Why the connection is over; the same from then on. Send what is left in [`Transport::transmit`] and close.
    pub fn poll_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        loop {
            if let Phase::Authentication(auth) = &self.phase
                && auth.is_pending()
            {
                return self.transport.error().map_or(Ok(None), |error| Err(error.clone()));
            }
            let Some(packet) = self.transport.next(&mut self.exchange)? else { return Ok(None) };
            if matches!(self.phase, Phase::Open) {
                match packet.number {
                    80.. => return Ok(Some(Event::Message(self.transport.payload(&packet)))),
                    // RFC 4252 section 5.1: requests after success are silently ignored.
                    msg::USERAUTH_REQUEST => continue,
                    number => {
                        let error = Error::from(Misbehaviour::OutOfPlace(number));
                        self.transport.fail(error.clone());
                        return Err(error);
                    }
                }
            }
            match self.handle_early(&packet) {
                Ok(Some(request)) => return Ok(Some(Event::Authenticate(request))),
                Ok(None) => {}
                Err(error) => {
                    self.transport.fail(error.clone());
                    return Err(error);
                }
            }
        }
    }

    fn handle_early(&mut self, packet: &Packet) -> Result<Option<Request>, Error> {
        let payload = self.transport.payload(packet);
        match &mut self.phase {
            Phase::Service if packet.number == msg::SERVICE_REQUEST => {
                let mut reader = Reader::new(payload);
                reader.u8()?;
                let service = reader.string()?;
                reader.end()?;
                if service != b"ssh-userauth" {
                    return Err(Misbehaviour::OutOfPlace(packet.number).into());
                }
                let mut accept = vec![msg::SERVICE_ACCEPT];
                accept.string(service);
                self.transport.send(&accept);
                self.phase = Phase::Authentication(Authentication::default());
                Ok(None)
            }
            Phase::Authentication(auth) => {
                let session_id = self.transport.session_id().ok_or(Error::Crypto)?;
                auth.handle(payload, session_id).map(Some)
            }
            Phase::Service | Phase::Open => Err(Misbehaviour::OutOfPlace(packet.number).into()),
        }
    }

    /// Lets the client in: from here on it may send messages of the connection protocol.
    pub fn accept(&mut self) {
        if let Phase::Authentication(auth) = &mut self.phase {
            let success = auth.grant();
            self.transport.send(&success);
            self.transport.set_authenticated();
            self.phase = Phase::Open;
        }
    }

    /// Refuses the pending request. `partial`: it was right, but another method is needed too.
    pub fn refuse(&mut self, partial: bool) {
        if let Phase::Authentication(auth) = &mut self.phase {
            match auth.refuse(partial) {
                Ok(reply) => self.transport.send(&reply),
                Err(error) => self.transport.fail(error),
            }
        }
    }

    /// Answers a query: the key would do.
    pub fn confirm_key(&mut self) {
        if let Phase::Authentication(auth) = &mut self.phase
            && let Some(reply) = auth.confirm_key()
        {
            self.transport.send(&reply);
        }
    }

    /// Asks through `keyboard-interactive`: prompts, each with whether its answer may be shown while typed.
    pub fn ask(&mut self, instruction: &str, prompts: &[(&str, bool)]) {
        if let Phase::Authentication(auth) = &mut self.phase {
            let message = auth.ask(instruction, prompts);
            self.transport.send(&message);
        }
    }

    /// Shows a text before authentication ends (`USERAUTH_BANNER`).
    pub fn banner(&mut self, text: &str) {
        if matches!(self.phase, Phase::Authentication(_)) {
            let mut message = vec![msg::USERAUTH_BANNER];
            message.string(text).string("");
            self.transport.send(&message);
        }
    }
}

impl std::ops::Deref for Server {
    type Target = Transport;

    fn deref(&self) -> &Transport {
        &self.transport
    }
}

impl std::ops::DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Transport {
        &mut self.transport
    }
}
