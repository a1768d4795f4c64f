//! User authentication as the server sees it (RFC 4252, RFC 4256): requests are decoded and signatures verified
//! here; who may come in is the caller's decision.

use crate::error::{Error, Misbehaviour};
use crate::hostkey;
use crate::keys::ExchangeHash;
use crate::wire::{Reader, Writer, msg};

/// Failed attempts before the connection is cut.
pub const MAX_FAILURES: u32 = 6;
/// Questions about keys (without signature) that may be asked.
const MAX_QUERIES: u32 = 64;
/// Methods that a client is told to go on with.
const METHODS: &str = "publickey,keyboard-interactive";
/// And what remains once a key was proven but is not enough: another try of the same key would never end.
const METHODS_AFTER_KEY: &str = "keyboard-interactive";
/// Longest user or service name that is looked at.
const MAX_NAME: usize = 1024;
/// Answers in one `INFO_RESPONSE`, and bytes in each.
const MAX_ANSWERS: u32 = 4;
const MAX_ANSWER: usize = 256;

/// A key whose holder has signed this very request: made by the engine only, after verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenKey {
    algorithm: String,
    blob: Vec<u8>,
}

impl ProvenKey {
    /// The signature algorithm.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The key or certificate that was offered.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }
}

/// What a client asks with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// `none`
    None,
    /// `publickey` without a signature: would this key do? Grants nothing.
    Query {
        /// Signature algorithm.
        algorithm: String,
        /// Key or certificate.
        blob: Vec<u8>,
    },
    /// `publickey` with a signature that is right.
    Proven(ProvenKey),
    /// `publickey` with a signature that is wrong, or an algorithm that we do not take.
    Unproven {
        /// Key or certificate.
        blob: Vec<u8>,
    },
    /// `keyboard-interactive`
    KeyboardInteractive,
    /// The answers to what was asked with [`super::Server::ask`].
    Answers(Vec<zeroize::Zeroizing<String>>),
    /// A method that we do not have; its body was not looked at.
    Other(String),
}

/// One authentication request; the next comes when it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The user name, as it was sent: not validated.
    pub user: Vec<u8>,
    /// The service asked for is the one we have.
    pub service_known: bool,
    /// The method and what came with it.
    pub method: Method,
    /// One more failure ends the connection.
    pub last_try: bool,
}

/// The state of user authentication.
#[derive(Debug, Default)]
pub struct Authentication {
    name: Option<(Vec<u8>, Vec<u8>)>,
    failures: u32,
    queries: u32,
    /// A request has been handed out and not been answered.
    pending: Option<Pending>,
    /// Prompts have been sent.
    asked: u32,
    /// A key was proven and is not enough.
    partial: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Pending {
    Query { algorithm: String, blob: Vec<u8> },
    First,
    Other,
}

impl Authentication {
    /// A request waits for its answer.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Decodes a message of the authentication protocol. `session_id` is what signatures must cover.
    pub fn handle(&mut self, payload: &[u8], session_id: &ExchangeHash) -> Result<Request, Error> {
        let mut reader = Reader::new(payload);
        match reader.u8()? {
            msg::USERAUTH_REQUEST => self.request(reader, session_id),
            msg::USERAUTH_INFO_RESPONSE if self.asked > 0 => self.answers(reader),
            number => Err(Misbehaviour::OutOfPlace(number).into()),
        }
    }

    fn request(&mut self, mut reader: Reader<'_>, session_id: &ExchangeHash) -> Result<Request, Error> {
        let user = reader.string()?;
        let service = reader.string()?;
        if service.len() > MAX_NAME {
            return Err(Misbehaviour::Malformed.into());
        }
        let name = (user.get(..MAX_NAME).unwrap_or(user).to_vec(), service.to_vec());
        match &self.name {
            Some(before) if *before != name => return Err(Misbehaviour::UserChanged.into()),
            _ => self.name = Some(name),
        }
        self.asked = 0;
        let method_name = reader.string()?;
        let method = match method_name {
            b"none" => Method::None,
            b"publickey" => publickey(reader, user, service, session_id)?,
            b"keyboard-interactive" => Method::KeyboardInteractive,
            other => Method::Other(crate::wire::bounded_text(other, 64)),
        };
        self.pending = Some(match &method {
            Method::Query { algorithm, blob } => {
                self.queries += 1;
                if self.queries > MAX_QUERIES {
                    return Err(Error::TooManyAttempts);
                }
                Pending::Query { algorithm: algorithm.clone(), blob: blob.clone() }
            }
            Method::None if self.failures == 0 => Pending::First,
            _ => Pending::Other,
        });
        Ok(Request {
            user: user.to_vec(),
            service_known: service == b"ssh-connection",
            method,
            last_try: self.failures + 1 >= MAX_FAILURES,
        })
    }

    fn answers(&mut self, mut reader: Reader<'_>) -> Result<Request, Error> {
        let count = reader.u32()?;
        if count != self.asked || count > MAX_ANSWERS {
            return Err(Misbehaviour::Malformed.into());
        }
        let mut answers = Vec::new();
        for _ in 0..count {
            let answer = reader.text()?;
            if answer.len() > MAX_ANSWER {
                return Err(Misbehaviour::Malformed.into());
            }
            answers.push(zeroize::Zeroizing::new(answer.to_owned()));
        }
        reader.end()?;
        self.asked = 0;
        self.pending = Some(Pending::Other);
        let (user, service) = self.name.clone().unwrap_or_default();
        Ok(Request {
            user,
            service_known: service == b"ssh-connection",
            method: Method::Answers(answers),
            last_try: self.failures + 1 >= MAX_FAILURES,
        })
    }

    /// The reply that refuses the pending request, or the error that ends the connection with the last try.
    pub fn refuse(&mut self, partial: bool) -> Result<Vec<u8>, Error> {
        match self.pending.take() {
            Some(Pending::First) => {}
            _ if partial => {}
            _ => self.failures += 1,
        }
        if self.failures >= MAX_FAILURES {
            return Err(Error::TooManyAttempts);
        }
        self.partial |= partial;
        let methods = if self.partial { METHODS_AFTER_KEY } else { METHODS };
        let mut reply = vec![msg::USERAUTH_FAILURE];
        reply.string(methods).bool(partial);
        Ok(reply)
    }

    /// `PK_OK` for the pending query; `None` where something else is pending.
    pub fn confirm_key(&mut self) -> Option<Vec<u8>> {
        let Some(Pending::Query { algorithm, blob }) = &self.pending else { return None };
        let mut reply = vec![msg::USERAUTH_PK_OK];
        reply.string(algorithm).string(blob);
        self.pending = None;
        Some(reply)
    }

    /// Prompts through `keyboard-interactive`: the text and whether the answer may be seen.
    pub fn ask(&mut self, instruction: &str, prompts: &[(&str, bool)]) -> Vec<u8> {
        self.pending = None;
        self.asked = u32::try_from(prompts.len()).unwrap_or(0);
        let mut message = vec![msg::USERAUTH_INFO_REQUEST];
        message.string("").string(instruction).string("").u32(self.asked);
        for (prompt, echo) in prompts {
            message.string(prompt).bool(*echo);
        }
        message
    }

    /// The pending request is granted.
    pub fn grant(&mut self) -> Vec<u8> {
        self.pending = None;
        vec![msg::USERAUTH_SUCCESS]
    }
}

fn publickey(
    mut reader: Reader<'_>,
    user: &[u8],
    service: &[u8],
    session_id: &ExchangeHash,
) -> Result<Method, Error> {
    let signed = reader.bool()?;
    let algorithm_bytes = reader.string()?;
    let blob = reader.string()?;
    let algorithm = crate::wire::bounded_text(algorithm_bytes, 128);
    if !signed {
        reader.end()?;
        return Ok(Method::Query { algorithm, blob: blob.to_vec() });
    }
    let signature = reader.string()?;
    reader.end()?;
    // RFC 4252 section 7: what the client has signed.
    let mut message = Vec::with_capacity(256 + blob.len());
    message.string(session_id).u8(msg::USERAUTH_REQUEST).string(user).string(service);
    message.string("publickey").bool(true).string(algorithm_bytes).string(blob);
    Ok(match hostkey::verify(&algorithm, blob, &message, signature) {
        Ok(()) => Method::Proven(ProvenKey { algorithm, blob: blob.to_vec() }),
        Err(_) => Method::Unproven { blob: blob.to_vec() },
    })
}
