//! What a server sends, to the client engine: identification, packets, KEXINIT, and whatever comes before the first
//! keys.
#![no_main]

use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use mezite_ssh::client::{Client, Config, HostKeyPolicy, HostKeyRefused};
use mezite_ssh::transport::Limits;

/// Lets every host key through, so that its proof is looked at too.
struct Any;

impl HostKeyPolicy for Any {
    fn algorithms(&self) -> Vec<&'static str> {
        vec!["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-256"]
    }

    fn check(&mut self, _: &[u8]) -> Result<(), HostKeyRefused> {
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let now = Instant::now();
    let mut client = Client::new(Config { host_keys: Box::new(Any), limits: Limits::default() }, now);
    let mut rest = bytes;
    while !rest.is_empty() {
        let space = client.receive_space();
        let count = rest.len().min(space.len());
        assert!(count > 0, "an engine that takes nothing more has to fail");
        space[..count].copy_from_slice(&rest[..count]);
        client.handle_received(count, now);
        if client.poll_event().is_err() {
            break;
        }
        rest = &rest[count..];
    }
});
