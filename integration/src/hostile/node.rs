//! A node that says what it likes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use mezite_fixtures::{FakeNode, Scene, eventually};
use mezite_ssh::wire::{Reader, Writer as _, msg};
use ssh_key::{PrivateKey, PublicKey};

use super::{KexInit, Key, Transport};

/// Makes the signature over an exchange hash.
type Sign = dyn Fn(&[u8]) -> Vec<u8> + Send + Sync;

/// What a node proves itself with, or does not.
pub struct HostKey {
    /// The algorithms that it proposes.
    pub algorithms: String,
    /// The key or certificate that it shows.
    pub blob: Vec<u8>,
    /// Signs the exchange hash.
    pub sign: Box<Sign>,
}

impl HostKey {
    /// Shows `key` and proves it.
    pub fn honest(key: &PrivateKey) -> Self {
        Self::showing(key.blob(), key)
    }

    /// Shows `blob`, a certificate perhaps, and signs with `key`.
    pub fn showing(blob: Vec<u8>, key: &PrivateKey) -> Self {
        let algorithms = Reader::new(&blob).text().expect("a blob begins with its type").to_owned();
        let key = key.clone();
        Self { algorithms, blob, sign: Box::new(move |hash| key.signature_of(hash)) }
    }

    /// Shows `key`, and signs something else than the exchange hash.
    pub fn unproven(key: &PrivateKey) -> Self {
        let honest = Self::honest(key);
        Self { sign: Box::new(move |hash| (honest.sign)(&[hash, b"x"].concat())), ..Self::honest(key) }
    }
}

/// The messages of all connections that have ended.
type Hearings = Arc<Mutex<Vec<Vec<Vec<u8>>>>>;

/// A listener on loopback that plays a script on each connection, and keeps what it hears.
pub struct HostileNode {
    node: FakeNode,
    hearings: Hearings,
}

impl HostileNode {
    /// Starts one. When the script is at its end, the node listens until the gateway closes.
    pub fn start(script: impl Fn(&mut Transport) + Send + Sync + 'static) -> Self {
        let hearings = Hearings::default();
        let shared = Arc::clone(&hearings);
        let node = FakeNode::start(move |stream| {
            let mut transport = Transport::accept(stream);
            script(&mut transport);
            shared.lock().expect("no holder panics").push(transport.heard().to_vec());
            Vec::new()
        });
        Self { node, hearings }
    }

    /// One that exchanges keys as `host_key`, accepts the service and goes on by `script`.
    pub fn secured(host_key: HostKey, script: impl Fn(&mut Transport) + Send + Sync + 'static) -> Self {
        Self::start(move |transport| {
            if secure(transport, &host_key) && accept_service(transport) {
                script(transport);
            }
            listen(transport);
        })
    }

    /// One that lets in each login of which `lets_in` says so, and then only listens.
    pub fn lenient(host_key: HostKey, lets_in: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self::secured(host_key, move |transport| {
            authenticate(transport, &lets_in);
        })
    }

    /// One that lets everybody in and goes on by `script`.
    pub fn lenient_then(host_key: HostKey, script: impl Fn(&mut Transport) + Send + Sync + 'static) -> Self {
        Self::secured(host_key, move |transport| {
            if authenticate(transport, &|_| true) {
                script(transport);
            }
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.node.address()
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.node.connections()
    }

    /// The messages heard on each connection, once all have ended.
    pub fn hearings(&self) -> Vec<Vec<Vec<u8>>> {
        eventually("the node's connections to end", || {
            let hearings = self.hearings.lock().expect("no holder panics");
            (hearings.len() == self.connections()).then(|| hearings.clone())
        })
    }

    /// How many messages of `number` it has heard on all its connections, once all have ended.
    pub fn heard(&self, number: u8) -> usize {
        self.hearings().iter().flatten().filter(|message| message.first() == Some(&number)).count()
    }

    /// Adds it to the scene as `name` with the label of the others, with `pinned` as its host key or none.
    pub fn add_to(&self, scene: &Scene, name: &str, pinned: Option<&PublicKey>) {
        let mut arguments: Vec<String> =
            ["nodes", "add", "--openssh", "--labels=env=test"].map(Into::into).into();
        let address = self.address();
        arguments.extend([
            format!("--name={name}"),
            format!("--host={}", address.ip()),
            format!("--port={}", address.port()),
        ]);
        arguments.extend(pinned.map(|key| format!("--host-key={}", key.to_openssh().expect("a key line"))));
        scene.mezctl.ok(&arguments);
    }
}

/// Lines and keys, as `host_key`; false when the gateway has closed.
pub fn secure(transport: &mut Transport, host_key: &HostKey) -> bool {
    if !transport.exchange_lines() {
        return false;
    }
    transport.propose(&KexInit::new(&host_key.algorithms));
    transport.hear_proposal() && transport.answer(host_key)
}

/// Waits for the service request and accepts it; false when the gateway has closed.
pub fn accept_service(transport: &mut Transport) -> bool {
    let asked = transport.receive_only(msg::SERVICE_REQUEST).is_some();
    let mut accept = vec![msg::SERVICE_ACCEPT];
    accept.string("ssh-userauth");
    transport.send(&accept);
    asked
}

/// Answers authentication requests until one succeeds; false when the gateway has closed.
fn authenticate(transport: &mut Transport, lets_in: &dyn Fn(&[u8]) -> bool) -> bool {
    while let Some(request) = transport.receive_only(msg::USERAUTH_REQUEST) {
        let login = Reader::new(request.get(1..).unwrap_or_default()).string().unwrap_or_default();
        if lets_in(login) {
            transport.send(&[msg::USERAUTH_SUCCESS]);
            return true;
        }
        transport.send(&failure("publickey", false));
    }
    false
}

/// Takes one session with one command; `run` is given the client's number of the channel. Then the command succeeds.
pub fn serve_command(transport: &mut Transport, run: impl Fn(&mut Transport, u32)) {
    let Some(open) = transport.receive_only(msg::CHANNEL_OPEN) else { return };
    let mut reader = Reader::new(open.get(1..).unwrap_or_default());
    let channel = reader.string().and_then(|_| reader.u32()).expect("a channel is opened with a number");
    let mut confirmation = vec![msg::CHANNEL_OPEN_CONFIRMATION];
    confirmation.u32(channel).u32(0).u32(1 << 20).u32(32_768);
    transport.send(&confirmation);
    loop {
        let Some(request) = transport.receive_only(msg::CHANNEL_REQUEST) else { return };
        let mut reader = Reader::new(request.get(5..).unwrap_or_default());
        if reader.string() == Ok(b"exec") {
            break;
        }
    }
    let mut success = vec![msg::CHANNEL_SUCCESS];
    success.u32(channel);
    transport.send(&success);
    run(transport, channel);
    let mut status = vec![msg::CHANNEL_REQUEST];
    status.u32(channel).string("exit-status").bool(false).u32(0);
    transport.send(&status);
    let mut close = vec![msg::CHANNEL_CLOSE];
    close.u32(channel);
    transport.send(&close);
}

/// Hears messages until the gateway closes.
pub fn listen(transport: &mut Transport) {
    while transport.receive().is_some() {}
}

/// `USERAUTH_FAILURE`.
pub fn failure(methods: &str, partial: bool) -> Vec<u8> {
    let mut message = vec![msg::USERAUTH_FAILURE];
    message.string(methods).bool(partial);
    message
}
