//! The client role: a connection that we dialled.

mod auth;
mod kex;

pub use auth::Answer;

use std::time::Instant;

use crate::error::{Error, Misbehaviour};
use crate::hostkey::Signer;
use crate::negotiate::Side;
use crate::transport::{Limits, Packet, Transport};
use crate::wire::{Reader, Writer, msg};
use auth::Authentication;
use kex::ClientExchange;

/// The host key was refused; why is the policy's to remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostKeyRefused;

/// Decides which server is the right one. Asked in every key exchange, before anything else is sent.
pub trait HostKeyPolicy: Send {
    /// Host key algorithms to offer, most preferred first: those of the keys that would be taken.
    fn algorithms(&self) -> Vec<&'static str>;

    /// Takes or refuses the key or certificate that the server shows.
    ///
    /// # Errors
    /// [`HostKeyRefused`] ends the connection.
    fn check(&mut self, blob: &[u8]) -> Result<(), HostKeyRefused>;

    /// Whether it wants to hear which host key algorithms the server offers.
    fn listens(&self) -> bool {
        false
    }

    /// What the server offers, unescaped, at most 200 names.
    fn offered(&mut self, _names: &[String]) {}
}

/// What a client needs to know.
pub struct Config {
    /// Decides about the server's host key.
    pub host_keys: Box<dyn HostKeyPolicy>,
    /// Deadlines and volumes.
    pub limits: Limits,
}

/// What comes out of a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The host key was right and the connection is encrypted: [`Client::authenticate`] may be called.
    Secured,
    /// The server's answer to an authentication request.
    Authentication(Answer),
    /// A message of the connection protocol (numbers 80 to 127).
    Message(&'a [u8]),
}

/// How far we have come.
enum Phase {
    /// The first keys are not there.
    Handshake,
    /// We authenticate; `accepted` when the service was.
    Authentication { auth: Authentication, accepted: bool },
    /// We are in.
    Open,
}

/// The engine of a dialled connection. See the crate's documentation for the order of calls.
pub struct Client {
    transport: Transport,
    exchange: ClientExchange,
    phase: Phase,
}

impl Client {
    /// A connection that has just been dialled.
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            transport: Transport::new(Side::Client, config.limits, now),
            exchange: ClientExchange::new(config.host_keys),
            phase: Phase::Handshake,
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
            let next = self.transport.next(&mut self.exchange)?;
            if matches!(self.phase, Phase::Handshake) && self.transport.is_secured() {
                // Nothing can have been lost: before the service request the server has nothing to say.
                if let Some(packet) = next {
                    return self.refuse(packet.number);
                }
                self.request_service();
                return Ok(Some(Event::Secured));
            }
            let Some(packet) = next else { return Ok(None) };
            if matches!(self.phase, Phase::Open) {
                if packet.number < msg::GLOBAL_REQUEST {
                    return self.refuse(packet.number);
                }
                return Ok(Some(Event::Message(self.transport.payload(&packet))));
            }
            match self.handle_early(&packet) {
                Ok(Some(answer)) => return Ok(Some(Event::Authentication(answer))),
                Ok(None) => {}
                Err(error) => {
                    self.transport.fail(error.clone());
                    return Err(error);
                }
            }
        }
    }

    fn refuse(&mut self, number: u8) -> Result<Option<Event<'_>>, Error> {
        let error = Error::from(Misbehaviour::OutOfPlace(number));
        self.transport.fail(error.clone());
        Err(error)
    }

    fn request_service(&mut self) {
        let mut request = vec![msg::SERVICE_REQUEST];
        request.string("ssh-userauth");
        self.transport.send(&request);
        self.phase = Phase::Authentication { auth: Authentication::default(), accepted: false };
    }

    fn handle_early(&mut self, packet: &Packet) -> Result<Option<Answer>, Error> {
        let payload = self.transport.payload(packet);
        let Phase::Authentication { auth, accepted } = &mut self.phase else {
            return Err(Misbehaviour::OutOfPlace(packet.number).into());
        };
        if packet.number == msg::SERVICE_ACCEPT && !*accepted {
            let mut reader = Reader::new(payload);
            reader.u8()?;
            *accepted = true;
            return if reader.string()? == b"ssh-userauth" {
                Ok(None)
            } else {
                Err(Misbehaviour::Malformed.into())
            };
        }
        if !*accepted {
            return Err(Misbehaviour::OutOfPlace(packet.number).into());
        }
        let answer = auth.handle(payload)?;
        if answer == Answer::Success {
            self.transport.set_authenticated();
            self.phase = Phase::Open;
        }
        Ok(Some(answer))
    }

    /// Sends a signed request for `user`, with the first algorithm of `signer`.
    ///
    /// # Errors
    /// [`Error::Crypto`] when the key cannot sign, or the connection is not yet secured.
    pub fn authenticate(&mut self, user: &str, signer: &dyn Signer) -> Result<(), Error> {
        let Phase::Authentication { auth, .. } = &mut self.phase else { return Err(Error::Crypto) };
        let session_id = self.transport.session_id().ok_or(Error::Crypto)?;
        let request = auth.request(user, signer, session_id)?;
        self.transport.send(&request);
        Ok(())
    }

    /// Asks whether the key or certificate of `signer` would do for `user`, without signing anything: nobody is let in.
    ///
    /// # Errors
    /// [`Error::Crypto`] when the connection is not yet secured.
    pub fn query(&mut self, user: &str, signer: &dyn Signer) -> Result<(), Error> {
        let Phase::Authentication { auth, .. } = &mut self.phase else { return Err(Error::Crypto) };
        let request = auth.query(user, signer)?;
        self.transport.send(&request);
        Ok(())
    }
}

impl std::ops::Deref for Client {
    type Target = Transport;

    fn deref(&self) -> &Transport {
        &self.transport
    }
}

impl std::ops::DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Transport {
        &mut self.transport
    }
}
