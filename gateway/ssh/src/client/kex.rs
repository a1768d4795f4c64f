//! The client's part in a key exchange: begins the method, then checks whom it talks to.

use crate::error::{Error, Misbehaviour};
use crate::exchange::{Agreed, Exchange, Running};
use crate::hostkey;
use crate::kex::Initiator;
use crate::negotiate::{KexInit, Proposal, Side};
use crate::wire::{Reader, msg};

use super::HostKeyPolicy;

/// The client's side of the exchanges of one connection.
pub struct ClientExchange {
    policy: Box<dyn HostKeyPolicy>,
    initiator: Option<Initiator>,
}

impl ClientExchange {
    /// With the policy that decides about host keys.
    pub fn new(policy: Box<dyn HostKeyPolicy>) -> Self {
        Self { policy, initiator: None }
    }
}

impl Exchange for ClientExchange {
    fn proposal(&self, _: Option<&KexInit>, _: bool) -> Proposal {
        Proposal::new(self.policy.algorithms())
    }

    fn begin(&mut self, running: &Running) -> Result<Option<Vec<u8>>, Error> {
        if self.policy.listens() {
            self.policy.offered(KexInit::decode(&running.server_init, Side::Server)?.host_keys());
        }
        let initiator = running.chosen.method.start().map_err(|_| Error::Crypto)?;
        let mut message = vec![msg::KEX_INIT];
        message.extend_from_slice(initiator.public());
        self.initiator = Some(initiator);
        Ok(Some(message))
    }

    fn finish(&mut self, running: &Running, payload: &[u8]) -> Result<Agreed, Error> {
        let mut reader = Reader::new(payload);
        let number = reader.u8()?;
        let initiator = match self.initiator.take() {
            Some(initiator) if number == msg::KEX_REPLY => initiator,
            _ => return Err(Misbehaviour::OutOfPlace(number).into()),
        };
        let host_key = reader.string()?;
        let before = reader.rest();
        let server_public = reader.string()?;
        let server_public_wire = &before[..before.len() - reader.rest().len()];
        let signature = reader.string()?;
        reader.end()?;
        let client_public = initiator.public().to_vec();
        let secret = initiator.finish(server_public).map_err(|_| Misbehaviour::KeyExchange)?;
        let hash = running.hash(host_key, &client_public, server_public_wire, &secret);
        self.policy.check(host_key).map_err(|_| Error::HostKeyRefused)?;
        hostkey::verify(running.chosen.host_key, host_key, &hash, signature)
            .map_err(|_| Error::HostKeyUnproven)?;
        Ok(Agreed { secret, hash, reply: None })
    }
}
