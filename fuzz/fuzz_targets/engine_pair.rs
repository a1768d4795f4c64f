//! Two engines, joined by a line that moves, cuts and delays bytes as the input says: both follow the rules, so neither may
//! fail, and what one is given to send comes out of the other, in order and unchanged.
#![no_main]

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mezite_ssh::client::{self, Answer, Client, HostKeyPolicy, HostKeyRefused};
use mezite_ssh::hostkey::KeyPair;
use mezite_ssh::server::{self, Method, Server};
use mezite_ssh::transport::{Limits, Transport};
use mezite_ssh::wire::msg;
use ssh_key::{Algorithm, PrivateKey};

static KEY: LazyLock<Arc<KeyPair>> = LazyLock::new(|| {
    let key = PrivateKey::random(&mut rand_core::OsRng, Algorithm::Ed25519).expect("there is randomness");
    Arc::new(KeyPair::new(key).expect("an Ed25519 key can sign"))
});

struct Any;

impl HostKeyPolicy for Any {
    fn algorithms(&self) -> Vec<&'static str> {
        vec!["ssh-ed25519"]
    }

    fn check(&mut self, _: &[u8]) -> Result<(), HostKeyRefused> {
        Ok(())
    }
}

/// Moves up to `most` bytes.
fn carry(from: &mut Transport, to: &mut Transport, most: usize, now: Instant) {
    let count = from.transmit().len().min(most).min(to.receive_space().len());
    if count > 0 {
        to.receive_space()[..count].copy_from_slice(&from.transmit()[..count]);
        to.handle_received(count, now);
        from.handle_transmitted(count);
    }
}

struct Pair {
    client: Client,
    server: Server,
    now: Instant,
    success: bool,
    to_server: VecDeque<Vec<u8>>,
    to_client: VecDeque<Vec<u8>>,
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        // Keys are replaced all the time, and no deadline ends what the input lets wait.
        let day = Duration::from_secs(86_400);
        let limits = Limits {
            identification: day,
            key_exchange: day,
            authentication: day,
            rekey_bytes: 20_000,
            ..Limits::default()
        };
        let host_keys: Vec<Arc<dyn mezite_ssh::hostkey::Signer>> = vec![KEY.clone()];
        Self {
            client: Client::new(client::Config { host_keys: Box::new(Any), limits: limits.clone() }, now),
            server: Server::new(server::Config { host_keys, limits }, now),
            now,
            success: false,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
        }
    }

    fn work(&mut self) {
        while let Some(event) = self.server.poll_event().expect("the server has no reason to fail") {
            match event {
                server::Event::Message(payload) => {
                    assert_eq!(self.to_server.pop_front().as_deref(), Some(payload), "client to server");
                }
                server::Event::Authenticate(request) => match request.method {
                    Method::Proven(_) => self.server.accept(),
                    other => panic!("{other:?}"),
                },
            }
        }
        while let Some(event) = self.client.poll_event().expect("the client has no reason to fail") {
            match event {
                client::Event::Secured => self.client.authenticate("alice", &**KEY).expect("it can sign"),
                client::Event::Authentication(Answer::Success) => self.success = true,
                client::Event::Authentication(other) => panic!("{other:?}"),
                client::Event::Message(payload) => {
                    assert_eq!(self.to_client.pop_front().as_deref(), Some(payload), "server to client");
                }
            }
        }
    }

    fn step(&mut self, what: u8, how: u8) {
        let size = usize::from(how) * usize::from(what >> 4 | 1);
        match what & 7 {
            0 | 1 => carry(&mut self.client, &mut self.server, size, self.now),
            2 | 3 => carry(&mut self.server, &mut self.client, size, self.now),
            4 if self.success && self.client.can_send() => {
                let message = [&[msg::CHANNEL_DATA][..], &vec![how; size]].concat();
                self.client.send(&message);
                self.to_server.push_back(message);
            }
            5 if self.success && self.server.can_send() => {
                let message = [&[msg::CHANNEL_DATA][..], &vec![how; size]].concat();
                self.server.send(&message);
                self.to_client.push_back(message);
            }
            6 => {
                self.now += Duration::from_secs(u64::from(how));
                self.client.handle_timeout(self.now);
                self.server.handle_timeout(self.now);
            }
            _ => self.work(),
        }
    }
}

fuzz_target!(|steps: &[u8]| {
    let mut pair = Pair::new();
    for step in steps.chunks_exact(2) {
        pair.step(step[0], step[1]);
    }
    // In the end everything arrives.
    for _ in 0..1000 {
        pair.work();
        let now = pair.now;
        carry(&mut pair.client, &mut pair.server, usize::MAX, now);
        carry(&mut pair.server, &mut pair.client, usize::MAX, now);
        if pair.success && pair.to_client.is_empty() && pair.to_server.is_empty() {
            return;
        }
        pair.now += Duration::from_millis(300);
        pair.client.handle_timeout(pair.now);
        pair.server.handle_timeout(pair.now);
    }
    panic!("it does not come to an end");
});
