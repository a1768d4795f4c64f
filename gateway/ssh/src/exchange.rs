//! What the two roles do differently in a key exchange.

use crate::error::Error;
use crate::kex::SharedSecret;
use crate::keys::{ExchangeHash, Transcript};
use crate::negotiate::{Chosen, KexInit, Proposal};

/// A negotiated exchange whose method is running.
pub struct Running {
    /// What was chosen.
    pub chosen: Chosen,
    /// The client's identification line.
    pub client_line: Vec<u8>,
    /// The server's identification line.
    pub server_line: Vec<u8>,
    /// The client's KEXINIT payload.
    pub client_init: Vec<u8>,
    /// The server's KEXINIT payload.
    pub server_init: Vec<u8>,
    /// The next packet of the method was sent on a wrong guess.
    pub skip: bool,
}

impl Running {
    /// H for this exchange.
    pub fn hash(
        &self,
        host_key: &[u8],
        client_public: &[u8],
        server_public: &[u8],
        secret: &SharedSecret,
    ) -> ExchangeHash {
        Transcript {
            client_line: &self.client_line,
            server_line: &self.server_line,
            client_init: &self.client_init,
            server_init: &self.server_init,
            host_key,
            client_public,
            server_public,
        }
        .hash(secret)
    }
}

/// The end of the method: a secret that both sides know.
pub struct Agreed {
    /// K
    pub secret: SharedSecret,
    /// H, signed by the server's host key.
    pub hash: ExchangeHash,
    /// The server's answer.
    pub reply: Option<Vec<u8>>,
}

/// The role's part in an exchange.
pub trait Exchange {
    /// What to propose; `theirs` is the peer's proposal where it came first, `strict` whether strict key exchange holds.
    fn proposal(&self, theirs: Option<&KexInit>, strict: bool) -> Proposal;

    /// The negotiation is over. The client answers with its first message.
    fn begin(&mut self, running: &Running) -> Result<Option<Vec<u8>>, Error>;

    /// The peer's message of the method, with its number.
    fn finish(&mut self, running: &Running, payload: &[u8]) -> Result<Agreed, Error>;
}
