//! The server's part in a key exchange: answers the client's public value and signs.

use std::sync::Arc;

use crate::error::{Error, Misbehaviour};
use crate::exchange::{Agreed, Exchange, Running};
use crate::hostkey::Signer;
use crate::negotiate::{KexInit, Proposal};
use crate::wire::{Reader, Writer, msg};

/// The host keys and certificates that the server proves itself with, most preferred first.
pub struct ServerExchange {
    host_keys: Vec<Arc<dyn Signer>>,
}

impl ServerExchange {
    /// For these host keys.
    pub fn new(host_keys: Vec<Arc<dyn Signer>>) -> Self {
        Self { host_keys }
    }
}

impl Exchange for ServerExchange {
    fn proposal(&self, theirs: Option<&KexInit>, strict: bool) -> Proposal {
        let algorithms = self.host_keys.iter().flat_map(|key| key.algorithms()).copied().collect();
        let proposal = Proposal::new(algorithms);
        match theirs {
            Some(client) => proposal.narrowed_for(client, strict),
            None => proposal,
        }
    }

    fn begin(&mut self, _: &Running) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }

    fn finish(&mut self, running: &Running, payload: &[u8]) -> Result<Agreed, Error> {
        let mut reader = Reader::new(payload);
        let number = reader.u8()?;
        if number != msg::KEX_INIT {
            return Err(Misbehaviour::OutOfPlace(number).into());
        }
        let client_public_wire = reader.rest();
        let client_public = reader.string()?;
        reader.end()?;
        let algorithm = running.chosen.host_key;
        let signer =
            self.host_keys.iter().find(|key| key.algorithms().contains(&algorithm)).ok_or(Error::Crypto)?;
        let (server_public, secret) =
            running.chosen.method.respond(client_public).map_err(|_| Misbehaviour::KeyExchange)?;
        let hash = running.hash(signer.public_blob(), client_public_wire, &server_public, &secret);
        let signature = signer.sign(algorithm, &hash).map_err(|_| Error::Crypto)?;
        let mut reply = vec![msg::KEX_REPLY];
        reply.string(signer.public_blob()).raw(&server_public).string(&signature);
        Ok(Agreed { secret, hash, reply: Some(reply) })
    }
}
