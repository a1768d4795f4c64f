//! User authentication as the client does it: one signed request at a time, and no answer to anything else.

use crate::error::{Error, Misbehaviour};
use crate::hostkey::Signer;
use crate::keys::ExchangeHash;
use crate::wire::{Reader, Writer, bounded_text, msg};

/// Banners that a server may show, and bytes of each.
const MAX_BANNERS: u32 = 16;
const MAX_BANNER: usize = 2048;

/// What a server says to an authentication request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// We are in.
    Success,
    /// The request was refused, or is not enough.
    Failure {
        /// Methods that may go on, at most 200 bytes, unescaped.
        methods: String,
        /// The request was right, but another method is needed too.
        partial: bool,
    },
    /// A text for the user, unescaped, at most 2 KiB.
    Banner(String),
}

/// The state of user authentication.
#[derive(Debug, Default)]
pub struct Authentication {
    requested: bool,
    banners: u32,
}

impl Authentication {
    /// A signed `publickey` request for `user` (RFC 4252 section 7).
    pub fn request(
        &mut self,
        user: &str,
        signer: &dyn Signer,
        session_id: &ExchangeHash,
    ) -> Result<Vec<u8>, Error> {
        let algorithm = signer.algorithms().first().ok_or(Error::Crypto)?;
        let mut request = vec![msg::USERAUTH_REQUEST];
        request.string(user).string("ssh-connection").string("publickey").bool(true);
        request.string(algorithm).string(signer.public_blob());
        let mut message = Vec::with_capacity(request.len() + 64);
        message.string(session_id).raw(&request);
        let signature = signer.sign(algorithm, &message).map_err(|_| Error::Crypto)?;
        request.string(&signature);
        self.requested = true;
        Ok(request)
    }

    /// Decodes what the server says.
    pub fn handle(&mut self, payload: &[u8]) -> Result<Answer, Error> {
        let mut reader = Reader::new(payload);
        match reader.u8()? {
            msg::USERAUTH_BANNER => {
                self.banners += 1;
                if self.banners > MAX_BANNERS {
                    return Err(Misbehaviour::Flood.into());
                }
                Ok(Answer::Banner(bounded_text(reader.string()?, MAX_BANNER)))
            }
            msg::USERAUTH_SUCCESS if self.requested => {
                reader.end()?;
                Ok(Answer::Success)
            }
            msg::USERAUTH_FAILURE if self.requested => {
                self.requested = false;
                let methods = bounded_text(reader.string()?, 200);
                Ok(Answer::Failure { methods, partial: reader.bool()? })
            }
            // We never ask without signing, so `PK_OK` has no place; prompts and all else are never answered.
            number => Err(Misbehaviour::OutOfPlace(number).into()),
        }
    }
}
