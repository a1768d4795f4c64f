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
    /// A key would do, if we had signed with it: this one, as the server says; at most 64 KiB.
    Acceptable(Vec<u8>),
}

/// The state of user authentication.
#[derive(Debug, Default)]
pub struct Authentication {
    waiting: Waiting,
    banners: u32,
}

/// What we wait for the answer to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    #[default]
    Nothing,
    /// A signed request.
    Request,
    /// A question without a signature.
    Query,
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
        self.waiting = Waiting::Request;
        Ok(request)
    }

    /// The same question without a signature.
    pub fn query(&mut self, user: &str, signer: &dyn Signer) -> Result<Vec<u8>, Error> {
        let algorithm = signer.algorithms().first().ok_or(Error::Crypto)?;
        let mut request = vec![msg::USERAUTH_REQUEST];
        request.string(user).string("ssh-connection").string("publickey").bool(false);
        request.string(algorithm).string(signer.public_blob());
        self.waiting = Waiting::Query;
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
            // Nobody may be let in for a question.
            msg::USERAUTH_SUCCESS if self.waiting == Waiting::Request => {
                reader.end()?;
                Ok(Answer::Success)
            }
            msg::USERAUTH_FAILURE if self.waiting != Waiting::Nothing => {
                self.waiting = Waiting::Nothing;
                let methods = bounded_text(reader.string()?, 200);
                Ok(Answer::Failure { methods, partial: reader.bool()? })
            }
            msg::USERAUTH_PK_OK if self.waiting == Waiting::Query => {
                reader.string()?;
                let key = reader.string()?.to_vec();
                reader.end()?;
                self.waiting = Waiting::Nothing;
                Ok(Answer::Acceptable(key))
            }
            // `PK_OK` has no place where nobody asked; prompts and all else are never answered.
            number => Err(Misbehaviour::OutOfPlace(number).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostkey::KeyPair;

    fn pair() -> KeyPair {
        let mut random = rand_core::OsRng;
        let key = ssh_key::PrivateKey::random(&mut random, ssh_key::Algorithm::Ed25519).unwrap();
        KeyPair::new(key).unwrap()
    }

    fn acceptable(signer: &dyn Signer) -> Vec<u8> {
        let mut answer = vec![msg::USERAUTH_PK_OK];
        answer.string("ssh-ed25519").string(signer.public_blob());
        answer
    }

    #[test]
    fn hostile_020_a_question_lets_nobody_in_and_has_one_answer() {
        let asked = pair();
        let mut auth = Authentication::default();
        assert!(auth.handle(&acceptable(&asked)).is_err(), "nobody has asked");
        let request = auth.query("root", &asked).unwrap();
        assert!(!request.windows(4).any(|bytes| bytes == [0, 0, 0, 83]), "no signature goes out");
        assert!(auth.handle(&[msg::USERAUTH_SUCCESS]).is_err());
        let answered = auth.handle(&acceptable(&asked));
        assert_eq!(answered, Ok(Answer::Acceptable(asked.public_blob().to_vec())));
        assert!(auth.handle(&acceptable(&asked)).is_err(), "twice");
        assert!(auth.handle(&[msg::USERAUTH_SUCCESS]).is_err());
    }
}
