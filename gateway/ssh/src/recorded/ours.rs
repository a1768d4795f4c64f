//! Our side of a recorded session: an engine, and what stands behind it, which always does the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ssh_key::PrivateKey;
use ssh_key::private::Ed25519Keypair;

use crate::client::{self, Answer, Client, HostKeyPolicy, HostKeyRefused};
use crate::error::{Error, reason};
use crate::hostkey::{KeyPair, key_blob_type};
use crate::server::{self, Method, Server};
use crate::transport::{Limits, Transport};
use crate::wire::{Reader, Writer, bounded_text, msg};

/// Our number of the only channel.
const CHANNEL: u32 = 5;
const WINDOW: u32 = 1 << 20;
const MAX_PACKET: u32 = 32_768;

/// Either role.
pub trait Ours {
    /// A fresh one; what `key` is depends on the role.
    fn new(key: &[u8], now: Instant) -> Self;

    /// The engine.
    fn engine(&mut self) -> &mut Transport;

    /// Answers all that has come.
    fn work(&mut self) -> Result<(), Error>;

    /// What has happened, a line each.
    fn journal(&mut self) -> &mut Vec<String>;

    /// Takes what the peer says.
    fn receive(&mut self, mut bytes: &[u8], now: Instant) {
        while !bytes.is_empty() {
            let space = self.engine().receive_space();
            let count = space.len().min(bytes.len());
            if count == 0 {
                return;
            }
            let (taken, rest) = bytes.split_at(count);
            space[..count].copy_from_slice(taken);
            self.engine().handle_received(count, now);
            bytes = rest;
            if let Err(error) = self.work() {
                let over = match error {
                    Error::Disconnected { .. } | Error::Closed => "over: disconnected".to_owned(),
                    error => format!("over: {error}"),
                };
                if !self.journal().contains(&over) {
                    self.journal().push(over);
                }
            }
        }
    }

    /// Gives what the engine has to say.
    fn take_output(&mut self) -> Vec<u8> {
        let output = self.engine().transmit().to_vec();
        self.engine().handle_transmitted(output.len());
        output
    }
}

/// No timer takes part in a recording.
fn limits() -> Limits {
    Limits { proposal_delay: Duration::from_hours(1), ..Limits::default() }
}

/// A key that is the same in each replay.
pub fn key(seed: u8) -> PrivateKey {
    Ed25519Keypair::from_seed(&[seed; 32]).into()
}

pub const HOST_KEY: u8 = 1;
pub const USER_KEY: u8 = 2;

/// The server role: takes each certificate and no plain key, and runs each command in the same way.
pub struct AsServer {
    engine: Server,
    /// The client's number of its channel.
    theirs: u32,
    journal: Vec<String>,
}

impl Ours for AsServer {
    fn new(_: &[u8], now: Instant) -> Self {
        let host_key = KeyPair::new(key(HOST_KEY)).expect("an Ed25519 key");
        let config = server::Config { host_keys: vec![Arc::new(host_key)], limits: limits() };
        Self { engine: Server::new(config, now), theirs: 0, journal: Vec::new() }
    }

    fn engine(&mut self) -> &mut Transport {
        &mut self.engine
    }

    fn journal(&mut self) -> &mut Vec<String> {
        &mut self.journal
    }

    fn work(&mut self) -> Result<(), Error> {
        while let Some(event) = self.engine.poll_event()? {
            match event {
                server::Event::Authenticate(request) => self.authenticate(&request),
                server::Event::Message(payload) => {
                    let payload = payload.to_vec();
                    self.message(&payload).expect("a real program sends no malformed message");
                }
            }
        }
        Ok(())
    }
}

impl AsServer {
    fn authenticate(&mut self, request: &server::Request) {
        let user = bounded_text(&request.user, 100);
        let kind = |blob: &[u8]| key_blob_type(blob).unwrap_or_default().to_owned();
        let is_certificate = |blob: &[u8]| kind(blob).contains("-cert-");
        match &request.method {
            Method::Proven(key) if is_certificate(key.blob()) => {
                self.journal.push(format!("proven {} for {user}", kind(key.blob())));
                self.engine.accept();
            }
            Method::Query { blob, .. } if is_certificate(blob) => self.engine.confirm_key(),
            Method::Query { blob, .. } => {
                self.journal.push(format!("refused key {}", kind(blob)));
                self.engine.refuse(false);
            }
            other => {
                self.journal.push(format!("refused {other:?}"));
                self.engine.refuse(false);
            }
        }
    }

    fn message(&mut self, payload: &[u8]) -> Result<(), crate::error::Misbehaviour> {
        let mut reader = Reader::new(payload);
        match reader.u8()? {
            msg::CHANNEL_OPEN => {
                self.journal.push(reader.text()?.to_owned());
                self.theirs = reader.u32()?;
                let mut answer = vec![msg::CHANNEL_OPEN_CONFIRMATION];
                answer.u32(self.theirs).u32(CHANNEL).u32(WINDOW).u32(MAX_PACKET);
                self.engine.send(&answer);
            }
            msg::CHANNEL_REQUEST => {
                reader.u32()?;
                let (kind, wants) = (reader.text()?.to_owned(), reader.bool()?);
                if kind == "exec" {
                    self.journal.push(format!("exec {}", reader.text()?));
                    self.run(wants);
                } else if wants {
                    self.about_channel(msg::CHANNEL_FAILURE);
                }
            }
            msg::GLOBAL_REQUEST => {
                reader.string()?;
                if reader.bool()? {
                    self.engine.send(&[msg::REQUEST_FAILURE]);
                }
            }
            msg::CHANNEL_CLOSE => self.journal.push("closed".to_owned()),
            _ => {}
        }
        Ok(())
    }

    /// Sends a message of only a channel number.
    fn about_channel(&mut self, number: u8) {
        let mut message = vec![number];
        message.u32(self.theirs);
        self.engine.send(&message);
    }

    fn run(&mut self, wants: bool) {
        if wants {
            self.about_channel(msg::CHANNEL_SUCCESS);
        }
        let theirs = self.theirs;
        let mut data = vec![msg::CHANNEL_DATA];
        data.u32(theirs).string("recorded\n");
        self.engine.send(&data);
        let mut status = vec![msg::CHANNEL_REQUEST];
        status.u32(theirs).string("exit-status").bool(false).u32(7);
        self.engine.send(&status);
        self.about_channel(msg::CHANNEL_EOF);
        self.about_channel(msg::CHANNEL_CLOSE);
    }
}

/// The client role: shows `key`, runs a command and leaves.
pub struct AsClient {
    engine: Client,
    user_key: KeyPair,
    login: String,
    journal: Vec<String>,
}

/// Takes any host key: which one is right is not what is recorded.
struct Any;

impl HostKeyPolicy for Any {
    fn algorithms(&self) -> Vec<&'static str> {
        vec!["ssh-ed25519"]
    }

    fn check(&mut self, _: &[u8]) -> Result<(), HostKeyRefused> {
        Ok(())
    }
}

impl Ours for AsClient {
    /// `key`: the login, a NUL, and the certificate; none for the plain key.
    fn new(shown: &[u8], now: Instant) -> Self {
        let (login, certificate) = shown.split_at(shown.iter().position(|byte| *byte == 0).expect("a login"));
        let user_key = KeyPair::new(key(USER_KEY)).expect("an Ed25519 key");
        let user_key = match &certificate[1..] {
            [] => user_key,
            blob => user_key.with_certificate(blob.to_vec()).expect("a certificate for the key"),
        };
        let config = client::Config { host_keys: Box::new(Any), limits: limits() };
        let login = String::from_utf8(login.to_vec()).expect("a login");
        Self { engine: Client::new(config, now), user_key, login, journal: Vec::new() }
    }

    fn engine(&mut self) -> &mut Transport {
        &mut self.engine
    }

    fn journal(&mut self) -> &mut Vec<String> {
        &mut self.journal
    }

    fn work(&mut self) -> Result<(), Error> {
        while let Some(event) = self.engine.poll_event()? {
            match event {
                client::Event::Secured => {
                    self.journal.push("secured".to_owned());
                    self.engine.authenticate(&self.login, &self.user_key)?;
                }
                client::Event::Authentication(Answer::Success) => {
                    self.journal.push("success".to_owned());
                    let mut open = vec![msg::CHANNEL_OPEN];
                    open.string("session").u32(CHANNEL).u32(WINDOW).u32(MAX_PACKET);
                    self.engine.send(&open);
                }
                client::Event::Authentication(answer) => self.journal.push(format!("{answer:?}")),
                client::Event::Message(payload) => {
                    let payload = payload.to_vec();
                    self.message(&payload).expect("a real program sends no malformed message");
                }
            }
        }
        Ok(())
    }
}

impl AsClient {
    fn message(&mut self, payload: &[u8]) -> Result<(), crate::error::Misbehaviour> {
        let mut reader = Reader::new(payload);
        match reader.u8()? {
            msg::CHANNEL_OPEN_CONFIRMATION => {
                self.journal.push("session".to_owned());
                reader.u32()?;
                let mut exec = vec![msg::CHANNEL_REQUEST];
                exec.u32(reader.u32()?).string("exec").bool(true).string("echo recorded; exit 7");
                self.engine.send(&exec);
            }
            msg::CHANNEL_DATA => {
                reader.u32()?;
                self.journal.push(format!("output {}", bounded_text(reader.string()?, 100).trim_end()));
            }
            msg::CHANNEL_REQUEST => {
                reader.u32()?;
                if reader.string()? == b"exit-status" {
                    reader.bool()?;
                    self.journal.push(format!("status {}", reader.u32()?));
                }
            }
            msg::GLOBAL_REQUEST => {
                reader.string()?;
                if reader.bool()? {
                    self.engine.send(&[msg::REQUEST_FAILURE]);
                }
            }
            msg::CHANNEL_CLOSE => {
                self.journal.push("closed".to_owned());
                self.engine.disconnect(reason::BY_APPLICATION, "recorded");
            }
            _ => {}
        }
        Ok(())
    }
}
