//! What a client sends, to the server engine: identification, packets, KEXINIT, and whatever comes before the first
//! keys.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use mezite_ssh::hostkey::KeyPair;
use mezite_ssh::server::{Config, Server};
use mezite_ssh::transport::Limits;
use ssh_key::{Algorithm, PrivateKey};

static HOST_KEY: LazyLock<Arc<KeyPair>> = LazyLock::new(|| {
    let key = PrivateKey::random(&mut rand_core::OsRng, Algorithm::Ed25519).expect("there is randomness");
    Arc::new(KeyPair::new(key).expect("an Ed25519 key can sign"))
});

fuzz_target!(|bytes: &[u8]| {
    let now = Instant::now();
    let mut server =
        Server::new(Config { host_keys: vec![HOST_KEY.clone()], limits: Limits::default() }, now);
    let mut rest = bytes;
    while !rest.is_empty() {
        let space = server.receive_space();
        let count = rest.len().min(space.len());
        assert!(count > 0, "an engine that takes nothing more has to fail");
        space[..count].copy_from_slice(&rest[..count]);
        server.handle_received(count, now);
        if server.poll_event().is_err() {
            break;
        }
        rest = &rest[count..];
    }
});
