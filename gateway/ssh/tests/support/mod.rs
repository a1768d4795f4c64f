//! Two engines joined under virtual time, with a seeded scheduler that splits and delays bytes anywhere.
#![allow(dead_code, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use mezite_ssh::client::{self, Answer, Client, HostKeyPolicy, HostKeyRefused};
use mezite_ssh::hostkey::KeyPair;
use mezite_ssh::server::{self, Method, Server};
use mezite_ssh::transport::Limits;
use ssh_key::{Algorithm, PrivateKey};

/// A small deterministic generator (SplitMix64): the seed repeats a failure.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }
}

pub struct Pinned(pub Vec<u8>);

impl HostKeyPolicy for Pinned {
    fn algorithms(&self) -> Vec<&'static str> {
        vec!["ssh-ed25519"]
    }

    fn check(&mut self, blob: &[u8]) -> Result<(), HostKeyRefused> {
        if blob == self.0 { Ok(()) } else { Err(HostKeyRefused) }
    }
}

pub fn ed25519() -> KeyPair {
    KeyPair::new(PrivateKey::random(&mut rand_core::OsRng, Algorithm::Ed25519).unwrap()).unwrap()
}

pub struct Pair {
    pub client: Client,
    pub server: Server,
    pub now: Instant,
    pub rng: Rng,
    pub client_got: Vec<Vec<u8>>,
    pub server_got: Vec<Vec<u8>>,
    pub client_error: Option<mezite_ssh::Error>,
    pub server_error: Option<mezite_ssh::Error>,
    pub proven: Option<server::ProvenKey>,
    pub answers: Vec<Answer>,
    /// The client authenticates by itself as soon as it may.
    pub eager: bool,
    user_key: KeyPair,
}

impl Pair {
    pub fn new(seed: u64, limits: Limits) -> Self {
        let host = ed25519();
        let now = Instant::now();
        let pinned = Pinned(mezite_ssh::hostkey::Signer::public_blob(&host).to_vec());
        Self::with(seed, limits, host, Box::new(pinned), now)
    }

    pub fn with(
        seed: u64,
        limits: Limits,
        host: KeyPair,
        policy: Box<dyn HostKeyPolicy>,
        now: Instant,
    ) -> Self {
        Self {
            client: Client::new(client::Config { host_keys: policy, limits: limits.clone() }, now),
            server: Server::new(server::Config { host_keys: vec![Arc::new(host)], limits }, now),
            now,
            rng: Rng(seed),
            client_got: Vec::new(),
            server_got: Vec::new(),
            client_error: None,
            server_error: None,
            proven: None,
            answers: Vec::new(),
            eager: true,
            user_key: ed25519(),
        }
    }

    /// Moves some bytes each way and lets both engines speak. True while anything moved.
    pub fn step(&mut self) -> bool {
        let mut moved = false;
        let count = self.rng.below(self.client.transmit().len().min(9000) + 1);
        let count = count.min(self.server.receive_space().len());
        if count > 0 {
            self.server.receive_space()[..count].copy_from_slice(&self.client.transmit()[..count]);
            self.server.handle_received(count, self.now);
            self.client.handle_transmitted(count);
        }
        moved |= !self.client.transmit().is_empty() || count > 0;
        let count = self.rng.below(self.server.transmit().len().min(9000) + 1);
        let count = count.min(self.client.receive_space().len());
        if count > 0 {
            self.client.receive_space()[..count].copy_from_slice(&self.server.transmit()[..count]);
            self.client.handle_received(count, self.now);
            self.server.handle_transmitted(count);
        }
        moved |= !self.server.transmit().is_empty() || count > 0;
        self.poll_server();
        self.poll_client();
        moved
    }

    fn poll_server(&mut self) {
        loop {
            match self.server.poll_event() {
                Ok(None) => return,
                Err(error) => return self.server_error = Some(error),
                Ok(Some(server::Event::Message(payload))) => self.server_got.push(payload.to_vec()),
                Ok(Some(server::Event::Authenticate(request))) => match request.method {
                    Method::Proven(key) => {
                        self.proven = Some(key);
                        self.server.accept();
                    }
                    _ => self.server.refuse(false),
                },
            }
        }
    }

    fn poll_client(&mut self) {
        loop {
            match self.client.poll_event() {
                Ok(None) => return,
                Err(error) => return self.client_error = Some(error),
                Ok(Some(client::Event::Secured)) if !self.eager => {}
                Ok(Some(client::Event::Secured)) => {
                    self.client.authenticate("alice", &self.user_key).unwrap();
                }
                Ok(Some(client::Event::Authentication(answer))) => self.answers.push(answer),
                Ok(Some(client::Event::Message(payload))) => self.client_got.push(payload.to_vec()),
            }
        }
    }

    /// Runs until nothing moves.
    pub fn run(&mut self) {
        while self.step() {}
    }

    /// Lets time pass for both.
    pub fn advance(&mut self, by: Duration) {
        self.now += by;
        let now = self.now;
        self.client.handle_timeout(now);
        self.server.handle_timeout(now);
        self.poll_server();
        self.poll_client();
    }
}
