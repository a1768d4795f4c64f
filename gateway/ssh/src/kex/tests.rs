//! Both roles agree, values are encoded as the RFCs say, and values that must not be used are refused.

use aws_lc_rs::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use aws_lc_rs::kem::{EncapsulationKey, ML_KEM_768};
use aws_lc_rs::rand::SystemRandom;
use sha2::{Digest, Sha256};

use super::{KexError, METHODS, by_name, encode_mpint, group14};

/// The content of a field that has a length prefix.
fn content(field: &[u8]) -> &[u8] {
    let (length, content) = field.split_first_chunk().unwrap();
    assert_eq!(u32::from_be_bytes(*length) as usize, content.len());
    content
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Asserts that both roles refuse a public value.
fn assert_refused(method: &str, client_public: &[u8], server_public: &[u8], what: &str) {
    let method = by_name(method).unwrap();
    assert_eq!(method.respond(client_public).err(), Some(KexError::PeerValue), "server, {what}");
    assert_eq!(
        method.start().unwrap().finish(server_public).err(),
        Some(KexError::PeerValue),
        "client, {what}"
    );
}

#[test]
fn both_roles_agree_on_a_fresh_secret() {
    for method in METHODS {
        let exchange = || {
            let client = method.start().unwrap();
            let (server_public, server_secret) = method.respond(content(client.public())).unwrap();
            let client_secret = client.finish(content(&server_public)).unwrap();
            assert_eq!(client_secret.as_wire(), server_secret.as_wire(), "{}", method.name);
            content(client_secret.as_wire()).to_vec()
        };
        assert_ne!(exchange(), exchange(), "{}", method.name);
    }
}

#[test]
fn another_server_value_makes_another_secret() {
    for method in METHODS {
        let client = method.start().unwrap();
        let (_, server_secret) = method.respond(content(client.public())).unwrap();
        let (other_public, _) = method.respond(content(client.public())).unwrap();
        let client_secret = client.finish(content(&other_public)).unwrap();
        assert_ne!(client_secret.as_wire(), server_secret.as_wire(), "{}", method.name);
    }
}

#[test]
fn an_mpint_is_minimal_and_not_negative() {
    assert_eq!(encode_mpint(&[0, 0]), [0, 0, 0, 0]);
    assert_eq!(encode_mpint(&[0, 0, 0x7f, 1]), [0, 0, 0, 2, 0x7f, 1]);
    assert_eq!(encode_mpint(&[0, 0x80]), [0, 0, 0, 2, 0, 0x80]);
    assert_eq!(encode_mpint(&[0xff, 0]), [0, 0, 0, 3, 0, 0xff, 0]);
}

/// Plays the server with the bare primitives, following the draft.
#[test]
fn the_hybrid_secret_is_the_hash_of_both_secrets_as_a_string() {
    let client = by_name("mlkem768x25519-sha256").unwrap().start().unwrap();
    let (encapsulation_key, client_x25519) = content(client.public()).split_at(1184);
    let key = EncapsulationKey::new(&ML_KEM_768, encapsulation_key).unwrap();
    let (ciphertext, kem_secret) = key.encapsulate().unwrap();
    let private = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).unwrap();
    let server_x25519 = private.compute_public_key().unwrap();
    let peer = UnparsedPublicKey::new(&X25519, client_x25519);
    let x25519_secret = agree_ephemeral(private, peer, (), |secret| Ok(secret.to_vec())).unwrap();

    let secret = client.finish(&[ciphertext.as_ref(), server_x25519.as_ref()].concat()).unwrap();
    let combined = Sha256::digest([kem_secret.as_ref(), x25519_secret.as_slice()].concat());
    assert_eq!(secret.as_wire(), [&[0, 0, 0, 32], combined.as_slice()].concat());
}

/// Powers computed with Python's `pow`.
#[test]
fn group14_computes_known_powers() {
    let exponent = |from: u8| std::array::from_fn(|i| from + u8::try_from(i).unwrap());
    let (public, secret) = group14::tests::exchange(exponent(1), exponent(41));
    let public = Sha256::digest(public);
    let secret = Sha256::digest(secret);
    assert_eq!(format!("{public:x}"), "331da359786a709be1dab6ce89292b7ef41dc564da52bab051c6b25e73630110");
    assert_eq!(format!("{secret:x}"), "4efcd3301882d083d283766e89b8ffd9ecf5112d78c5e4a5a55b517ab605a003");
}

/// The points whose order divides the cofactor, and their forms above the prime.
const X25519_SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    first_byte(1, 0, 0),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    first_byte(0xec, 0xff, 0x7f),
    first_byte(0xed, 0xff, 0x7f),
    first_byte(0xee, 0xff, 0x7f),
];

const fn first_byte(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut point = [middle; 32];
    point[0] = first;
    point[31] = last;
    point
}

#[test]
fn hostile_061_x25519_values() {
    for method in ["curve25519-sha256", "curve25519-sha256@libssh.org"] {
        for point in X25519_SMALL_ORDER {
            assert_refused(method, &point, &point, "small order");
        }
        for len in [0, 1, 31, 33, 44, 64] {
            assert_refused(method, &vec![9; len], &vec![9; len], "length");
        }
        // A SubjectPublicKeyInfo, which the provider would take.
        let der = [&hex("302a300506032b656e032100")[..], &[9; 32]].concat();
        assert_refused(method, &der, &der, "in DER");
    }
}

#[test]
fn hostile_061_hybrid_values() {
    let method = by_name("mlkem768x25519-sha256").unwrap();
    let initiator = method.start().unwrap();
    let client = content(initiator.public()).to_vec();
    let server = content(&method.respond(&client).unwrap().0).to_vec();
    let refused = |client: &[u8], server: &[u8], what| assert_refused(method.name, client, server, what);

    for missing in [1, 32, 33, 1000] {
        refused(&client[missing..], &server[missing..], "too short");
    }
    refused(&[], &[], "empty");
    refused(&[client.as_slice(), &[0]].concat(), &[server.as_slice(), &[0]].concat(), "too long");
    for point in X25519_SMALL_ORDER {
        refused(&[&client[..1184], &point].concat(), &[&server[..1088], &point].concat(), "small order");
    }
    let unreduced = [&[0xff; 1184], &client[1184..]].concat();
    assert_eq!(method.respond(&unreduced).err(), Some(KexError::PeerValue), "coefficients above the modulus");
}

#[test]
fn hostile_061_nistp256_points() {
    let initiator = by_name("ecdh-sha2-nistp256").unwrap().start().unwrap();
    let point = content(initiator.public());
    assert_eq!((point.len(), point[0]), (65, 4));
    let refused = |value: &[u8], what| assert_refused("ecdh-sha2-nistp256", value, value, what);

    let mut off_curve = point.to_vec();
    off_curve[64] ^= 1;
    refused(&off_curve, "off the curve");
    let mut zero = vec![0; 65];
    zero[0] = 4;
    refused(&zero, "zero coordinates");
    refused(&[0], "infinity");
    refused(&[&[4], [0xff; 64].as_slice()].concat(), "coordinates above the prime");
    refused(&[&[2 + (point[64] & 1)], &point[1..33]].concat(), "compressed");
    refused(&[&[6 + (point[64] & 1)], &point[1..]].concat(), "hybrid");
    refused(&point[..64], "one byte short");
    refused(&[point, &[0]].concat(), "one byte more");
    refused(&[], "empty");
    // A SubjectPublicKeyInfo, which the provider would take.
    let der = hex("3059301306072a8648ce3d020106082a8648ce3d030107034200");
    refused(&[&der[..], point].concat(), "in DER");
}

#[test]
fn hostile_061_group14_values() {
    let refused = |value: &[u8], what| assert_refused("diffie-hellman-group14-sha256", value, value, what);
    let prime = group14::tests::prime();
    let below = |n: u8| {
        let mut value = prime;
        value[255] -= n;
        [&[0], value.as_slice()].concat()
    };
    refused(&[], "0");
    refused(&[0], "0 with a byte");
    refused(&[1], "1");
    refused(&below(0), "p");
    refused(&below(1), "p - 1");
    refused(&[0xff; 256], "negative");
    refused(&[0x80], "negative byte");
    refused(&[0, 2], "leading zero");
    refused(&[0x7f; 257], "longer than p");
    refused(&[&[0], [0xff; 257].as_slice()].concat(), "longer than p, with its sign");

    let method = by_name("diffie-hellman-group14-sha256").unwrap();
    for (value, what) in [(vec![2], "2"), (below(2), "p - 2"), (vec![0, 0x80], "128")] {
        assert!(method.respond(&value).is_ok(), "server, {what}");
        assert!(method.start().unwrap().finish(&value).is_ok(), "client, {what}");
    }
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    for method in METHODS {
        let initiator = method.start().unwrap();
        assert_eq!(format!("{initiator:?}"), "Initiator { .. }");
        let (_, secret) = method.respond(content(initiator.public())).unwrap();
        assert_eq!(format!("{secret:?}"), "SharedSecret(..)");
    }
}
