//! The deadline of authentication, in each state before its end, under virtual time.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use mezite_ssh::Error;
use mezite_ssh::client::{self, Client, HostKeyPolicy, HostKeyRefused};
use mezite_ssh::error::Phase;
use mezite_ssh::hostkey::{KeyPair, Signer as _};
use mezite_ssh::server::{self, Method, Server};
use mezite_ssh::transport::Limits;
use mezite_ssh::wire::{Writer as _, msg};
use ssh_key::{Algorithm, PrivateKey};

fn key() -> KeyPair {
    KeyPair::new(PrivateKey::random(&mut rand_core::OsRng, Algorithm::Ed25519).unwrap()).unwrap()
}

struct AnyHostKey;

impl HostKeyPolicy for AnyHostKey {
    fn algorithms(&self) -> Vec<&'static str> {
        vec!["ssh-ed25519"]
    }

    fn check(&mut self, _: &[u8]) -> Result<(), HostKeyRefused> {
        Ok(())
    }
}

/// A server, and a client that goes as far as it is told.
struct Visit {
    client: Client,
    server: Server,
    now: Instant,
    /// What the server was asked last, and has not answered.
    request: Option<server::Request>,
}

impl Visit {
    /// One whose keys are exchanged and whose service is accepted.
    fn secured() -> Self {
        let now = Instant::now();
        // The client has no hurry: what happens is the server's doing.
        let patient = Limits { authentication: Duration::from_hours(1), ..Limits::default() };
        let mut visit = Self {
            client: Client::new(client::Config { host_keys: Box::new(AnyHostKey), limits: patient }, now),
            server: Server::new(
                server::Config { host_keys: vec![Arc::new(key())], limits: Limits::default() },
                now,
            ),
            now,
            request: None,
        };
        visit.carry();
        visit
    }

    /// Carries bytes both ways until nothing moves.
    fn carry(&mut self) {
        loop {
            let to_server = self.client.transmit().len().min(self.server.receive_space().len());
            self.server.receive_space()[..to_server].copy_from_slice(&self.client.transmit()[..to_server]);
            self.client.handle_transmitted(to_server);
            self.server.handle_received(to_server, self.now);
            while let Ok(Some(event)) = self.server.poll_event() {
                if let server::Event::Authenticate(request) = event {
                    self.request = Some(request);
                }
            }
            let to_client = self.server.transmit().len().min(self.client.receive_space().len());
            self.client.receive_space()[..to_client].copy_from_slice(&self.server.transmit()[..to_client]);
            self.server.handle_transmitted(to_client);
            self.client.handle_received(to_client, self.now);
            while let Ok(Some(_)) = self.client.poll_event() {}
            if to_server + to_client == 0 {
                return;
            }
        }
    }

    /// The client asks whether a key would do, without signing.
    fn query(&mut self) {
        let mut query = vec![msg::USERAUTH_REQUEST];
        query.string("alice").string("ssh-connection").string("publickey").bool(false);
        query.string("ssh-ed25519").string(key().public_blob());
        self.client.send(&query);
        self.carry();
        assert!(matches!(self.request.take().unwrap().method, Method::Query { .. }));
    }

    /// The client signs; the answer is still to be found.
    fn sign(&mut self) {
        self.client.authenticate("alice", &key()).unwrap();
        self.carry();
        assert!(matches!(self.request.take().unwrap().method, Method::Proven(_)));
    }

    /// So much time passes for the server.
    fn wait_until(&mut self, since_start: Duration, start: Instant) {
        self.now = start + since_start;
        self.server.handle_timeout(self.now);
    }

    fn is_cut(&mut self) -> bool {
        matches!(self.server.poll_event(), Err(Error::TimedOut(Phase::Authentication)))
    }
}

const DEADLINE: Duration = Duration::from_mins(2);

#[test]
fn hostile_026_deadline_cuts_in_every_state_and_what_comes_later_is_no_success() {
    type State = (&'static str, fn(&mut Visit));
    let states: [State; 5] = [
        ("nothing asked", |_| ()),
        ("a question that waits", Visit::query),
        ("a question that was answered", |visit| {
            visit.query();
            visit.server.confirm_key();
        }),
        ("a refusal", |visit| {
            visit.query();
            visit.server.refuse(false);
        }),
        ("a signed request that is judged", Visit::sign),
    ];
    for (label, reach) in states {
        let mut visit = Visit::secured();
        let start = visit.now;
        reach(&mut visit);
        visit.wait_until(DEADLINE.saturating_sub(Duration::from_millis(1)), start);
        assert!(!visit.is_cut(), "{label}: too early");
        visit.wait_until(DEADLINE, start);
        assert!(visit.is_cut(), "{label}");
        // The judge is ready in the same moment: too late by one step is too late.
        let said = visit.server.transmit().len();
        visit.server.accept();
        assert_eq!(visit.server.transmit().len(), said, "{label}: not a byte after the farewell");
        assert!(visit.is_cut(), "{label}");
    }
}

#[test]
fn hostile_026_success_in_time_is_not_taken_back() {
    let mut visit = Visit::secured();
    let start = visit.now;
    visit.sign();
    // In the very moment of the deadline, but first.
    visit.now = start + DEADLINE;
    visit.server.accept();
    visit.wait_until(DEADLINE, start);
    visit.wait_until(2 * DEADLINE, start);
    assert!(!visit.is_cut());
    visit.carry();
    visit.client.send(&[msg::GLOBAL_REQUEST, 1, 2]);
    let count = visit.client.transmit().len();
    visit.server.receive_space()[..count].copy_from_slice(&visit.client.transmit()[..count]);
    visit.server.handle_received(count, visit.now);
    assert_eq!(visit.server.poll_event(), Ok(Some(server::Event::Message(&[msg::GLOBAL_REQUEST, 1, 2]))));
}
