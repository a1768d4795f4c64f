//! What real clients and servers say first, shown to our engines: see `recorded/README.md`.

// Test support: what the recordings do not hold must end the test.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Instant;

use mezite_ssh::client::{self, Client};
use mezite_ssh::error::Misbehaviour;
use mezite_ssh::server::{self, Server};
use mezite_ssh::transport::{Limits, Transport};
use mezite_ssh::wire::{Reader, msg};
use mezite_ssh::{Error, cipher, kex};
use support::{Pinned, Rng, ed25519};

const OPENSSH_CLIENT: &[u8] = include_bytes!("recorded/openssh-9.2-client.bin");
const OPENSSH_SERVER: &[u8] = include_bytes!("recorded/openssh-9.2-server.bin");
const DROPBEAR_CLIENT: &[u8] = include_bytes!("recorded/dropbear-2022.83-client.bin");
const DROPBEAR_SERVER: &[u8] = include_bytes!("recorded/dropbear-2022.83-server.bin");
const PUTTY_CLIENT: &[u8] = include_bytes!("recorded/putty-0.78-client.bin");
const LIBSSH2_CLIENT: &[u8] = include_bytes!("recorded/libssh2-1.10-client.bin");

const CLIENTS: [&[u8]; 4] = [OPENSSH_CLIENT, DROPBEAR_CLIENT, PUTTY_CLIENT, LIBSSH2_CLIENT];
const SERVERS: [&[u8]; 2] = [OPENSSH_SERVER, DROPBEAR_SERVER];

const METHODS: [&str; 5] = [
    "mlkem768x25519-sha256",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "diffie-hellman-group14-sha256",
];
const CHACHA: &str = "chacha20-poly1305@openssh.com";
const GCM: [&str; 2] = ["aes256-gcm@openssh.com", "aes128-gcm@openssh.com"];
const CTR: [&str; 2] = ["aes256-ctr", "aes128-ctr"];
/// An `SSH_MSG_IGNORE` that is not encrypted.
const IGNORE: &[u8] = &[0, 0, 0, 12, 6, msg::IGNORE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Bits that are flipped in each recording, one at a time.
const FLIPS: u64 = 500;

/// An engine of either role, as far as these tests go.
trait Engine: std::ops::DerefMut<Target = Transport> {
    fn fresh(now: Instant) -> Self;
    /// Lets the engine work; nothing in these tests gets as far as an event.
    fn poll(&mut self) -> Result<(), Error>;
}

impl Engine for Server {
    fn fresh(now: Instant) -> Self {
        let config = server::Config { host_keys: vec![Arc::new(ed25519())], limits: Limits::default() };
        Self::new(config, now)
    }

    fn poll(&mut self) -> Result<(), Error> {
        self.poll_event().map(|event| assert_eq!(event, None))
    }
}

impl Engine for Client {
    fn fresh(now: Instant) -> Self {
        let host_keys = Box::new(Pinned(Vec::new()));
        Self::new(client::Config { host_keys, limits: Limits::default() }, now)
    }

    fn poll(&mut self) -> Result<(), Error> {
        self.poll_event().map(|event| assert!(event.is_none()))
    }
}

/// Gives `bytes` to the engine in pieces of `piece` bytes; the time stands still.
fn feed<E: Engine>(engine: &mut E, bytes: &[u8], piece: usize, now: Instant) -> Result<(), Error> {
    for piece in bytes.chunks(piece) {
        engine.receive_space()[..piece.len()].copy_from_slice(piece);
        engine.handle_received(piece.len(), now);
        engine.poll()?;
    }
    Ok(())
}

/// A fresh engine that was shown `bytes` at once, and what came of it.
fn shown<E: Engine>(bytes: &[u8]) -> (E, Result<(), Error>) {
    let now = Instant::now();
    let mut engine = E::fresh(now);
    let outcome = feed(&mut engine, bytes, bytes.len().max(1), now);
    (engine, outcome)
}

/// The payloads of the packets behind our identification line, while they are not encrypted.
fn said(engine: &Transport) -> Vec<Vec<u8>> {
    let mut rest = engine.transmit().strip_prefix(b"SSH-2.0-Mezite\r\n").unwrap();
    let mut payloads = Vec::new();
    while !rest.is_empty() {
        let length = usize::try_from(u32::from_be_bytes(rest[..4].try_into().unwrap())).unwrap();
        let padding = usize::from(rest[4]);
        let payload = rest[5..4 + length - padding].to_vec();
        let last = payload[0] == msg::NEWKEYS;
        payloads.push(payload);
        rest = &rest[4 + length..];
        if last {
            break;
        }
    }
    payloads
}

/// The first eight name lists of a KEXINIT.
fn lists(payload: &[u8]) -> Vec<Vec<String>> {
    assert_eq!(payload[0], msg::KEXINIT);
    let mut reader = Reader::new(&payload[17..]);
    let mut list =
        || std::str::from_utf8(reader.string().unwrap()).unwrap().split(',').map(str::to_owned).collect();
    (0..8).map(|_| list()).collect()
}

/// What a server offers to the client of a recording: the KEXINIT is the first packet that it sends.
fn offer_to(client: &[u8]) -> Vec<Vec<String>> {
    let (server, _) = shown::<Server>(client);
    let lists = lists(&said(&server)[0]);
    let (kex, marker) = lists[0].split_at(METHODS.len());
    assert_eq!(kex, METHODS);
    assert_eq!(marker, ["kex-strict-s-v00@openssh.com"]);
    assert_eq!(lists[1], ["ssh-ed25519"]);
    assert_eq!(lists[2], lists[3]);
    assert_eq!([&lists[6], &lists[7]], [&["none"], &["none"]]);
    lists
}

/// Lets the recorded client go on with `curve25519-sha256`, and gives the cipher that it has come to.
/// `guesses`: the client sends a first packet of the method before it knows which (RFC 4253 section 7).
fn agreed(recording: &[u8], guesses: bool) -> &'static str {
    for piece in [recording.len(), 1] {
        let now = Instant::now();
        let mut server = Server::fresh(now);
        feed(&mut server, recording, piece, now).unwrap();
        if guesses {
            feed(&mut server, &packet(&[msg::KEX_INIT, 1, 2, 3]), piece, now).unwrap();
            assert_eq!(said(&server).len(), 1, "a wrong guess is skipped");
        }
        let mut payload = vec![msg::KEX_INIT];
        payload.extend_from_slice(kex::by_name("curve25519-sha256").unwrap().start().unwrap().public());
        feed(&mut server, &packet(&payload), piece, now).unwrap();
        let numbers: Vec<u8> = said(&server).iter().map(|payload| payload[0]).collect();
        assert_eq!(numbers, [msg::KEXINIT, msg::KEX_REPLY, msg::NEWKEYS]);
        feed(&mut server, &packet(&[msg::NEWKEYS]), piece, now).unwrap();
        let algorithms = server.algorithms().unwrap();
        assert_eq!((algorithms.kex, algorithms.host_key), ("curve25519-sha256", "ssh-ed25519"));
        assert!(server.is_secured());
        if piece == 1 {
            return algorithms.cipher;
        }
    }
    unreachable!("the second round returns")
}

/// A packet that is not encrypted (RFC 4253 section 6).
fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 4 + (8 - (5 + payload.len() + 4) % 8) % 8;
    let length = u32::try_from(1 + payload.len() + padding).unwrap();
    let mut out = length.to_be_bytes().to_vec();
    out.push(u8::try_from(padding).unwrap());
    out.extend_from_slice(payload);
    out.resize(out.len() + padding, 0);
    out
}

/// The recording with the marker for strict key exchange made unknown.
fn without_strict(recording: &[u8]) -> Vec<u8> {
    let mut changed = recording.to_vec();
    let at = changed.windows(11).position(|window| window == b"kex-strict-").unwrap();
    changed[at] = b'x';
    changed
}

#[test]
fn openssh_client() {
    let offer = offer_to(OPENSSH_CLIENT);
    if cipher::hardware_aes() {
        assert_eq!(offer[2], GCM);
        assert_eq!(
            agreed(OPENSSH_CLIENT, false),
            "aes128-gcm@openssh.com",
            "the first of the client's that we offer"
        );
    } else {
        assert_eq!(offer[2], [&[CHACHA][..], &GCM, &CTR].concat());
        assert_eq!(agreed(OPENSSH_CLIENT, false), CHACHA);
    }
}

#[test]
fn putty_client() {
    let offer = offer_to(PUTTY_CLIENT);
    if cipher::hardware_aes() {
        assert_eq!(offer[2], GCM);
        assert_eq!(agreed(PUTTY_CLIENT, false), "aes128-gcm@openssh.com");
    } else {
        assert_eq!(offer[2], [&[CHACHA][..], &GCM, &CTR].concat());
        assert_eq!(agreed(PUTTY_CLIENT, false), "aes256-ctr");
    }
}

#[test]
fn dropbear_client_shares_only_one_cipher_and_that_by_strict_key_exchange() {
    assert!(offer_to(DROPBEAR_CLIENT)[2].iter().any(|name| name == CHACHA));
    assert_eq!(agreed(DROPBEAR_CLIENT, true), CHACHA);
    let (server, outcome) = shown::<Server>(&without_strict(DROPBEAR_CLIENT));
    let theirs = "hmac-sha1,hmac-sha2-256".to_owned();
    assert_eq!(outcome, Err(Error::Incompatible { what: "MAC", theirs }));
    assert!(!lists(&said(&server)[0])[2].iter().any(|name| name == CHACHA));
}

#[test]
fn libssh2_client_is_told_that_it_has_no_mac_of_ours() {
    for piece in [LIBSSH2_CLIENT.len(), 1] {
        let now = Instant::now();
        let mut server = Server::fresh(now);
        let outcome = feed(&mut server, LIBSSH2_CLIENT, piece, now);
        let theirs = "hmac-sha2-256,hmac-sha2-512,hmac-sha1,hmac-sha1-96,hmac-md5,hmac-md5-96,hmac-ripemd160,\
                      hmac-ripemd160@openssh.com";
        assert_eq!(outcome, Err(Error::Incompatible { what: "MAC", theirs: theirs.to_owned() }));
        let packets = said(&server);
        assert_eq!(packets[1][..5], [msg::DISCONNECT, 0, 0, 0, 3], "key exchange failed");
    }
}

#[test]
fn recorded_servers_are_answered_with_the_method_that_both_have() {
    for recording in SERVERS {
        for piece in [recording.len(), 1] {
            let now = Instant::now();
            let mut client = Client::fresh(now);
            feed(&mut client, recording, piece, now).unwrap();
            let packets = said(&client);
            assert_eq!(packets.len(), 2);
            let lists = lists(&packets[0]);
            let (kex, markers) = lists[0].split_at(METHODS.len());
            assert_eq!(kex, METHODS);
            assert_eq!(markers, ["ext-info-c", "kex-strict-c-v00@openssh.com"]);
            assert_eq!(lists[1], ["ssh-ed25519"]);
            // Neither server knows ML-KEM: the first message is the 32 bytes of X25519.
            assert_eq!(packets[1][..5], [msg::KEX_INIT, 0, 0, 0, 32]);
            assert_eq!(packets[1].len(), 5 + 32);
            assert_eq!(client.peer_line(), recording.split(|byte| *byte == b'\r').next());
        }
    }
}

#[test]
fn dropbear_server_without_strict_key_exchange_has_no_cipher_for_us() {
    let (_, outcome) = shown::<Client>(&without_strict(DROPBEAR_SERVER));
    assert!(matches!(outcome, Err(Error::Incompatible { what: "cipher" | "MAC", .. })), "{outcome:?}");
}

#[test]
fn the_marker_of_strict_key_exchange_is_seen_in_each_recording_that_has_it() {
    fn check<E: Engine>(recording: &[u8], strict: bool) {
        let (_, outcome) = shown::<E>(&[recording, IGNORE].concat());
        let expected = if strict { Err(Misbehaviour::StrictKex(msg::IGNORE).into()) } else { Ok(()) };
        assert_eq!(outcome, expected, "{}", String::from_utf8_lossy(&recording[..24]));
    }
    for client in [OPENSSH_CLIENT, DROPBEAR_CLIENT, PUTTY_CLIENT] {
        check::<Server>(client, true);
    }
    for server in SERVERS {
        check::<Client>(server, true);
    }
    check::<Server>(&without_strict(OPENSSH_CLIENT), false);
    check::<Client>(&without_strict(OPENSSH_SERVER), false);
}

#[test]
fn every_beginning_of_a_recording_is_waited_on() {
    fn check<E: Engine>(recording: &[u8]) {
        let now = Instant::now();
        let mut engine = E::fresh(now);
        for (at, byte) in recording[..recording.len() - 1].iter().enumerate() {
            assert_eq!(feed(&mut engine, &[*byte], 1, now), Ok(()), "after byte {at}");
            let (whole, outcome) = shown::<E>(&recording[..=at]);
            assert_eq!(outcome, Ok(()), "{} bytes at once", at + 1);
            assert_eq!(whole.transmit().len(), engine.transmit().len(), "pieces make no difference");
        }
    }
    for recording in CLIENTS {
        check::<Server>(recording);
    }
    for recording in SERVERS {
        check::<Client>(recording);
    }
}

#[test]
fn a_flipped_bit_never_secures_a_connection_and_its_error_stays() {
    fn check<E: Engine>(recording: &[u8], seed: u64) {
        let mut rng = Rng(seed);
        for _ in 0..FLIPS {
            let (at, bit) = (rng.below(recording.len()), rng.below(8));
            let mut changed = recording.to_vec();
            changed[at] ^= 1 << bit;
            let (mut engine, outcome) = shown::<E>(&changed);
            assert!(!engine.is_secured(), "seed {seed}: byte {at} bit {bit}");
            assert_eq!(engine.poll(), outcome, "seed {seed}: byte {at} bit {bit}");
            let refused = matches!(
                outcome,
                Ok(())
                    | Err(Error::Misbehaved(_)
                        | Error::Incompatible { .. }
                        | Error::NotSsh
                        | Error::Corrupt
                        | Error::Disconnected { .. }
                        | Error::TooLarge)
            );
            assert!(refused, "seed {seed}: byte {at} bit {bit}: {outcome:?}");
        }
    }
    for (seed, recording) in (0..).zip(CLIENTS) {
        check::<Server>(recording, seed);
    }
    for (seed, recording) in (100..).zip(SERVERS) {
        check::<Client>(recording, seed);
    }
}
