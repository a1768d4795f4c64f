//! Engine against engine: handshakes, relayed messages, rekeying and deadlines under virtual time.

mod support;

use std::time::Duration;

use mezite_ssh::Error;
use mezite_ssh::client::Answer;
use mezite_ssh::error::{Misbehaviour, Phase};
use mezite_ssh::transport::Limits;
use support::{Pair, Pinned, Rng, ed25519};

/// Seeds a test runs over; a failing one is printed and repeats the failure.
const SEEDS: u64 = 200;

fn data(rng: &mut Rng, number: usize) -> Vec<u8> {
    let mut payload = vec![94];
    payload.extend((number as u64).to_be_bytes());
    payload.resize(9 + rng.below(32_000), 0x5a);
    payload
}

fn opened(seed: u64, limits: Limits) -> Pair {
    let mut pair = Pair::new(seed, limits);
    pair.run();
    assert_eq!(
        pair.answers,
        [Answer::Success],
        "seed {seed}: {:?} {:?}",
        pair.client_error,
        pair.server_error
    );
    assert!(pair.proven.is_some(), "seed {seed}");
    pair
}

#[test]
fn a_handshake_survives_every_split_of_its_bytes() {
    for seed in 0..SEEDS {
        let mut pair = opened(seed, Limits::default());
        pair.client.send(&[80, 1, 2, 3]);
        pair.server.send(&[90, 4, 5]);
        pair.run();
        assert_eq!(pair.server_got, [[80, 1, 2, 3]], "seed {seed}");
        assert_eq!(pair.client_got, [[90, 4, 5]], "seed {seed}");
    }
}

#[test]
fn hostile_015_rekeys_under_load_lose_and_reorder_nothing() {
    let limits = Limits { rekey_bytes: 100_000, ..Limits::default() };
    for seed in 0..40 {
        let mut pair = opened(seed, limits.clone());
        let mut rng = Rng(seed ^ 0xdead);
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        for number in 0..60 {
            if pair.client.can_send() {
                let payload = data(&mut rng, number);
                pair.client.send(&payload);
                to_server.push(payload);
            }
            if pair.server.can_send() {
                let payload = data(&mut rng, number);
                pair.server.send(&payload);
                to_client.push(payload);
            }
            for _ in 0..rng.below(12) {
                pair.step();
            }
            if number % 17 == 0 {
                pair.run();
                pair.advance(Duration::from_secs(3601));
            }
        }
        let session_id = *pair.client.session_id().unwrap();
        pair.run();
        assert_eq!((pair.client_error.clone(), pair.server_error.clone()), (None, None), "seed {seed}");
        assert!(pair.server_got == to_server, "seed {seed}: client to server");
        assert!(pair.client_got == to_client, "seed {seed}: server to client");
        assert_eq!(pair.client.session_id(), Some(&session_id), "the session id is constant");
        assert_eq!(pair.server.session_id(), Some(&session_id));
    }
}

#[test]
fn nothing_is_relayed_while_a_key_exchange_runs() {
    let mut pair = opened(1, Limits::default());
    pair.advance(Duration::from_hours(1));
    assert!(!pair.client.can_send() && !pair.server.can_send(), "both have proposed at once");
    pair.client.send(&[80, 7]);
    pair.run();
    assert_eq!(pair.server_got, [[80, 7]], "what had to wait is sent with the new keys");
    assert!(pair.client.can_send() && pair.server.can_send());
}

#[test]
fn another_host_key_is_refused_before_anything_is_sent() {
    let other = ed25519();
    let pinned = Pinned(mezite_ssh::hostkey::Signer::public_blob(&other).to_vec());
    let now = std::time::Instant::now();
    let mut pair = Pair::with(3, Limits::default(), ed25519(), Box::new(pinned), now);
    pair.run();
    assert_eq!(pair.client_error, Some(Error::HostKeyRefused));
    assert!(pair.proven.is_none() && pair.answers.is_empty());
    assert!(matches!(pair.server_error, Some(Error::Disconnected { reason: 9, .. })));
}

#[test]
fn each_phase_has_its_deadline() {
    let mut pair = Pair::new(4, Limits::default());
    pair.advance(Duration::from_secs(10));
    assert_eq!(pair.server_error, Some(Error::TimedOut(Phase::Identification)));

    let mut pair = Pair::new(5, Limits::default());
    let line = b"SSH-2.0-silent\r\n";
    pair.server.receive_space()[..line.len()].copy_from_slice(line);
    pair.server.handle_received(line.len(), pair.now);
    assert_eq!(pair.server.poll_event(), Ok(None));
    let greeting = pair.server.transmit().len();
    pair.advance(Duration::from_millis(250));
    assert!(pair.server.transmit().len() > greeting, "a client that waits for our KEXINIT gets it");
    pair.advance(Duration::from_secs(15));
    assert_eq!(pair.server_error, Some(Error::TimedOut(Phase::KeyExchange)));
}

#[test]
fn hostile_019_messages_out_of_place_cut_the_connection() {
    for number in [5u8, 51, 52, 53, 60, 80, 90, 98, 30, 31] {
        let mut pair = Pair::new(u64::from(number), Limits::default());
        pair.eager = false;
        pair.run();
        pair.client.send(&[number, 0, 0, 0, 0]);
        pair.run();
        assert!(
            matches!(pair.server_error, Some(Error::Misbehaved(_))),
            "message {number}: {:?}",
            pair.server_error
        );
        assert!(pair.server_got.is_empty());
    }
}

#[test]
fn hostile_014_nothing_but_key_exchange_before_the_first_keys() {
    for number in [2u8, 3, 4, 6, 7, 50, 80, 192] {
        let mut pair = Pair::new(u64::from(number), Limits::default());
        let mut injected = b"SSH-2.0-x\r\n".to_vec();
        injected.extend([0, 0, 0, 12, 6, number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let kexinit = {
            let all = pair.client.transmit().to_vec();
            assert_eq!(all, b"SSH-2.0-Mezite\r\n");
            let greeting = pair.server.transmit().to_vec();
            pair.client.receive_space()[..greeting.len()].copy_from_slice(&greeting);
            pair.client.handle_received(greeting.len(), pair.now);
            assert_eq!(pair.client.poll_event(), Ok(None));
            pair.client.transmit()[all.len()..].to_vec()
        };
        injected.extend(kexinit);
        pair.server.receive_space()[..injected.len()].copy_from_slice(&injected);
        pair.server.handle_received(injected.len(), pair.now);
        let outcome = pair.server.poll_event().map(|_| ());
        assert!(
            matches!(
                outcome,
                Err(Error::Misbehaved(Misbehaviour::StrictKex(_) | Misbehaviour::OutOfPlace(_)))
            ),
            "message {number}: {outcome:?}"
        );
    }
}

#[test]
fn hostile_062_noise_before_authentication_has_a_quota() {
    let mut pair = Pair::new(9, Limits::default());
    pair.eager = false;
    pair.run();
    for _ in 0..300 {
        pair.client.send(&[2, 0, 0, 0, 0]);
    }
    pair.run();
    assert_eq!(pair.server_error, Some(Misbehaviour::Flood.into()));
}

#[test]
fn a_flipped_bit_is_a_corrupted_packet() {
    for seed in 0..40 {
        let mut pair = opened(seed, Limits::default());
        pair.client.send(&[94; 200]);
        let mut sealed = pair.client.transmit().to_vec();
        let at = 4 + pair.rng.below(sealed.len() - 4);
        sealed[at] ^= 1 << pair.rng.below(8);
        pair.server.receive_space()[..sealed.len()].copy_from_slice(&sealed);
        pair.server.handle_received(sealed.len(), pair.now);
        assert_eq!(pair.server.poll_event().map(|_| ()), Err(Error::Corrupt), "seed {seed} byte {at}");
        assert_eq!(pair.server.poll_event().map(|_| ()), Err(Error::Corrupt), "the error is kept");
    }
}

#[test]
fn a_ping_is_answered() {
    let mut pair = opened(11, Limits::default());
    pair.client.send(&[192, 0, 0, 0, 2, b'h', b'i']);
    let before = pair.client.error().cloned();
    pair.run();
    assert_eq!((before, pair.client_error.clone(), pair.server_error.clone()), (None, None, None));
}
