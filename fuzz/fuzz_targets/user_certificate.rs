//! A certificate blob that a client shows, to the one function that decides about it.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::SystemTime;

use libfuzzer_sys::fuzz_target;
use mezite_ca::{CaKind, PublicKey, TrustedSet, verify_user_certificate};
use ssh_key::{Algorithm, PrivateKey};

static TRUSTED: LazyLock<TrustedSet> = LazyLock::new(|| {
    let key = PrivateKey::random(&mut rand_core::OsRng, Algorithm::Ed25519).expect("there is randomness");
    let blob = key.public_key().to_bytes().expect("a public key has a blob");
    TrustedSet::new(CaKind::User, [PublicKey::from_blob(&blob).expect("an Ed25519 key is accepted")])
});

fuzz_target!(|blob: &[u8]| {
    let verified =
        verify_user_certificate(blob, &TRUSTED, SystemTime::now(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    // Nobody holds the CA's private key.
    assert!(verified.is_err(), "a certificate was forged");
});
