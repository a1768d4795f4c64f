//! A client that says what it likes.

use std::net::SocketAddr;

use mezite_ssh::wire::{Reader, Writer as _, bounded_text, msg};

use super::{KexInit, Key, Transport, certificate_name};

/// The methods that the gateway names when it refuses.
pub const METHODS: &str = "publickey,keyboard-interactive";

/// What the gateway says to an authentication request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The client is in.
    Success,
    /// Refused: the methods that may go on, and whether the request was right but not enough.
    Failure(String, bool),
    /// A key that was only asked about would do.
    KeyTaken(Vec<u8>),
    /// The gateway ends the connection: reason code and text.
    Disconnected(u32, String),
    /// The connection was closed without a word.
    Closed,
    /// Something else: the number of the message.
    Other(u8),
}

impl Answer {
    /// Whether it leaves the client outside.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Failure(_, false) | Self::Disconnected(..) | Self::Closed)
    }
}

/// A client whose keys are exchanged.
pub struct HostileClient {
    transport: Transport,
    source: SocketAddr,
    banners: Vec<String>,
}

impl HostileClient {
    /// Connects and exchanges keys, without asking for a service.
    pub fn secured(gateway: SocketAddr) -> Self {
        Self::over(Transport::connect(gateway))
    }

    /// The same on a connection on which something was said already.
    pub fn over(mut transport: Transport) -> Self {
        let source = transport.local();
        assert!(transport.exchange_lines(), "the gateway closes instead of saying its line");
        transport.propose(&KexInit::new(&certificate_name("ssh-ed25519")));
        assert!(transport.hear_proposal(), "the gateway closes instead of proposing");
        let initiator = transport.begin();
        transport.finish(initiator).expect("the gateway finishes the key exchange");
        Self { transport, source, banners: Vec::new() }
    }

    /// Connects, exchanges keys and is ready to authenticate.
    pub fn connect(gateway: SocketAddr) -> Self {
        let mut client = Self::secured(gateway);
        client.ask_for_service();
        client
    }

    /// The same after other bytes were said, such as a `CONNECT` request; an answer of HTTP is passed over.
    pub fn connect_saying(mut transport: Transport, prelude: &[u8]) -> Self {
        transport.say(prelude);
        let mut client = Self::over(transport);
        client.ask_for_service();
        client
    }

    /// Asks for `ssh-userauth` and takes the answer.
    pub fn ask_for_service(&mut self) {
        let mut request = vec![msg::SERVICE_REQUEST];
        request.string("ssh-userauth");
        self.send(&request);
        let accepted = self.transport.receive_only(msg::SERVICE_ACCEPT);
        assert!(accepted.is_some(), "the gateway closes instead of accepting the service");
    }

    /// Our end of the connection: the `source` of its audit events.
    pub fn source(&self) -> SocketAddr {
        self.source
    }

    /// The banners that were shown.
    pub fn banners(&self) -> &[String] {
        &self.banners
    }

    /// The connection below.
    pub fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }

    /// Sends any message.
    pub fn send(&mut self, payload: &[u8]) {
        self.transport.send(payload);
    }

    /// Sends an authentication request with any body.
    pub fn request(&mut self, user: &[u8], service: &str, method: &str, body: &[u8]) {
        let mut request = vec![msg::USERAUTH_REQUEST];
        request.string(user).string(service).string(method).raw(body);
        self.send(&request);
    }

    /// Asks whether a key would do.
    pub fn query(&mut self, user: &str, algorithm: &str, blob: &[u8]) -> Answer {
        let mut body = Vec::new();
        body.bool(false).string(algorithm).string(blob);
        self.request(user.as_bytes(), "ssh-connection", "publickey", &body);
        self.answer()
    }

    /// Sends a request for `user` with the certificate or plain key `blob`, truly signed by `key`.
    pub fn authenticate(&mut self, user: impl AsRef<[u8]>, blob: &[u8], key: &dyn Key) -> Answer {
        let request = Signed::new(self, user, blob, key);
        let signature = key.signature_of(&request.message());
        self.send(&request.with_signature(&signature));
        self.answer()
    }

    /// The next answer; banners are collected on the way.
    pub fn answer(&mut self) -> Answer {
        loop {
            let Some(payload) = self.transport.receive() else { return Answer::Closed };
            let mut reader = Reader::new(&payload);
            let number = reader.u8().expect("a message has a number");
            let mut text = |max| reader.string().map(|text| bounded_text(text, max)).unwrap_or_default();
            return match number {
                msg::USERAUTH_BANNER => {
                    self.banners.push(text(4096));
                    continue;
                }
                msg::EXT_INFO | msg::IGNORE | msg::DEBUG => continue,
                msg::USERAUTH_SUCCESS => Answer::Success,
                msg::USERAUTH_FAILURE => {
                    let methods = text(4096);
                    Answer::Failure(methods, reader.bool().unwrap_or_default())
                }
                msg::USERAUTH_PK_OK => {
                    text(4096);
                    Answer::KeyTaken(reader.string().unwrap_or_default().to_vec())
                }
                msg::DISCONNECT => {
                    let reason = reader.u32().unwrap_or_default();
                    Answer::Disconnected(
                        reason,
                        reader.string().map(|t| bounded_text(t, 4096)).unwrap_or_default(),
                    )
                }
                other => Answer::Other(other),
            };
        }
    }
}

/// A signed request in the making: what is said, which may be something else than what is signed.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The session id.
    pub session: Vec<u8>,
    /// The user name.
    pub user: Vec<u8>,
    /// The service.
    pub service: String,
    /// The signature algorithm.
    pub algorithm: String,
    /// The key or certificate.
    pub blob: Vec<u8>,
}

impl Signed {
    /// One that is in order.
    pub fn new(client: &HostileClient, user: impl AsRef<[u8]>, blob: &[u8], key: &dyn Key) -> Self {
        let kind = Reader::new(blob).text().unwrap_or_default();
        let algorithm = key.algorithm();
        Self {
            session: client.transport.session_id().to_vec(),
            user: user.as_ref().to_vec(),
            service: "ssh-connection".to_owned(),
            algorithm: if kind.contains("-cert-") { certificate_name(&algorithm) } else { algorithm },
            blob: blob.to_vec(),
        }
    }

    /// The same with a change.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The request up to its signature.
    pub fn unsigned(&self) -> Vec<u8> {
        let mut request = vec![msg::USERAUTH_REQUEST];
        request.string(&self.user).string(&self.service).string("publickey").bool(true);
        request.string(&self.algorithm).string(&self.blob);
        request
    }

    /// What has to be signed.
    pub fn message(&self) -> Vec<u8> {
        let mut message = Vec::new();
        message.string(&self.session).raw(&self.unsigned());
        message
    }

    /// The whole request.
    pub fn with_signature(&self, signature: &[u8]) -> Vec<u8> {
        let mut request = self.unsigned();
        request.string(signature);
        request
    }
}
