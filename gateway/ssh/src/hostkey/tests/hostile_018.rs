//! Hostile test 18: signatures and keys that are nearly right.

use rand_core::OsRng;
use ssh_key::PrivateKey;

use super::{certificates, good, parse_type, parts, signed, strings};
use crate::hostkey::{ALGORITHMS, KeyPair, SignatureError, Signer, plain_key_blob, verify};
use crate::wire::Reader;

#[test]
fn hostile_018_a_flipped_bit_in_any_byte_of_a_signature() {
    for signed in good() {
        for at in 0..signed.signature.len() {
            let mut signature = signed.signature.clone();
            signature[at] ^= 1 << (at % 8);
            assert!(signed.verify_signature(&signature).is_err(), "{} byte {at}", signed.name);
        }
    }
}

#[test]
fn hostile_018_empty_and_cut_signatures() {
    for signed in good() {
        for len in 0..signed.signature.len() {
            let cut = signed.verify_signature(&signed.signature[..len]);
            assert_eq!(cut, Err(SignatureError::MalformedSignature), "{} {len}", signed.name);
        }
        let empty = strings(&[signed.algorithm.as_bytes(), b""]);
        assert!(signed.verify_signature(&empty).is_err(), "{}", signed.name);
    }
}

#[test]
fn hostile_018_trailing_bytes() {
    for signed in good() {
        let signature = [signed.signature.as_slice(), &[0]].concat();
        assert_eq!(
            signed.verify_signature(&signature),
            Err(SignatureError::MalformedSignature),
            "{}",
            signed.name
        );
        let key = [signed.key.as_slice(), &[0]].concat();
        assert_eq!(signed.verify_key(&key), Err(SignatureError::MalformedKey), "{}", signed.name);

        let mut inner = parts(&signed.key);
        let longer = [*inner.last().unwrap(), &[0]].concat();
        *inner.last_mut().unwrap() = &longer;
        assert!(signed.verify_key(&strings(&inner)).is_err(), "{} within a field", signed.name);
    }
    for name in ["ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa2048"] {
        let signed = signed(name);
        let [algorithm, signature] = parts(&signed.signature).try_into().unwrap();
        let longer = strings(&[algorithm, &[signature, &[0]].concat()]);
        assert_eq!(signed.verify_signature(&longer), Err(SignatureError::MalformedSignature), "{name}");
    }
}

#[test]
fn hostile_018_a_signature_tagged_with_another_algorithm() {
    for signed in good() {
        for other in ALGORITHMS.iter().filter(|other| other.name != signed.algorithm) {
            assert!(signed.verify_as(other.name).is_err(), "{} as {}", signed.name, other.name);
        }
        for other in ALGORITHMS.iter().filter(|other| other.signature != signed.algorithm) {
            let mut reader = Reader::new(&signed.signature);
            reader.string().unwrap();
            let tagged = [strings(&[other.signature.as_bytes()]).as_slice(), reader.rest()].concat();
            let result = signed.verify_signature(&tagged);
            assert_eq!(result, Err(SignatureError::SignatureName), "{} tagged {}", signed.name, other.name);
        }
    }
    let ed25519 = signed("ed25519");
    assert_eq!(ed25519.verify_as("rsa-sha2-512"), Err(SignatureError::KeyType));
}

#[test]
fn hostile_018_a_certificate_name_inside_the_signature() {
    for (name, certificate) in certificates() {
        let signed = signed(name);
        let algorithm =
            ALGORITHMS.iter().find(|algorithm| algorithm.key_type == parse_type(&certificate)).unwrap();
        let tagged = strings(&[algorithm.name.as_bytes(), parts(&signed.signature)[1]]);
        let result = verify(algorithm.name, &certificate, &signed.message, &tagged);
        assert_eq!(result, Err(SignatureError::SignatureName), "{name}");
    }
}

#[test]
fn hostile_018_the_key_of_another() {
    let (ed25519, ecdsa) = (signed("ed25519"), signed("ecdsa256"));
    let other = KeyPair::new(PrivateKey::random(&mut OsRng, ssh_key::Algorithm::Ed25519).unwrap()).unwrap();
    assert_eq!(ed25519.verify_key(other.public_blob()), Err(SignatureError::Invalid));
    assert_eq!(ed25519.verify_key(&ecdsa.key), Err(SignatureError::KeyType));
    assert_eq!(ed25519.verify_key(b""), Err(SignatureError::MalformedKey));
    assert_eq!(ed25519.verify_key(&[0, 0, 0, 9, 1]), Err(SignatureError::MalformedKey));
}

/// Length of the nonce that OpenSSH puts into a certificate.
const NONCE_LEN: usize = 32;

/// Every certificate cut anywhere within its key, and every key cut anywhere.
#[test]
fn hostile_018_cut_keys_and_certificates() {
    for signed in good() {
        for len in 0..signed.key.len() {
            assert!(signed.verify_key(&signed.key[..len]).is_err(), "{} {len}", signed.name);
        }
    }
    for (name, certificate) in certificates() {
        let key = signed(name).key;
        let key_end = key.len() - parse_type(&key).len() + parse_type(&certificate).len() + 4 + NONCE_LEN;
        for len in 0..key_end {
            assert_eq!(
                plain_key_blob(&certificate[..len]),
                Err(SignatureError::MalformedKey),
                "{name} {len}"
            );
        }
        assert_eq!(plain_key_blob(&certificate[..key_end]).unwrap(), key, "{name}");
    }
}

/// With a key of small order, one signature fits every message unless verification is strict.
#[test]
fn hostile_018_an_ed25519_key_of_small_order() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let key = strings(&[b"ssh-ed25519", &identity]);
    let signature = strings(&[b"ssh-ed25519", &[identity, [0; 32]].concat()]);
    for message in [b"one".as_slice(), b"two"] {
        assert_eq!(verify("ssh-ed25519", &key, message, &signature), Err(SignatureError::Invalid));
    }
}

#[test]
fn hostile_018_ecdsa_numbers_outside_the_group() {
    let order = b"\0\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";
    let good = signed("ecdsa256");
    let [_, rs] = parts(&good.signature).try_into().unwrap();
    let [r, s] = parts(rs).try_into().unwrap();
    let padded = [&[0], r].concat();
    let negative = [0xff; 32];
    let wide = [1; 33];
    for bad in [b"".as_slice(), b"\0", &order[..], &padded, &negative, &wide] {
        for pair in [[bad, s], [r, bad]] {
            let signature = strings(&[b"ecdsa-sha2-nistp256", &strings(&pair)]);
            assert!(good.verify_signature(&signature).is_err(), "{bad:x?}");
        }
    }
}

#[test]
fn hostile_018_ecdsa_points() {
    let good = signed("ecdsa256");
    let [name, curve, point] = parts(&good.key).try_into().unwrap();
    let compressed = [&[2 + (point[64] & 1)], &point[1..33]].concat();
    let mut off_curve = point.to_vec();
    off_curve[64] ^= 1;
    for (curve, point, what) in [
        (curve, compressed.as_slice(), "compressed"),
        (curve, &[0], "infinity"),
        (curve, b"", "empty"),
        (curve, &off_curve, "off the curve"),
        (b"nistp384", point, "another curve's name"),
        (curve, parts(&signed("ecdsa384").key)[2], "another curve's point"),
    ] {
        assert!(good.verify_key(&strings(&[name, curve, point])).is_err(), "{what}");
    }

    let other = signed("ecdsa384");
    let key = strings(&[name, curve, parts(&other.key)[2]]);
    let signature = strings(&[name, parts(&other.signature)[1]]);
    let result = verify("ecdsa-sha2-nistp256", &key, &other.message, &signature);
    assert_eq!(
        result,
        Err(SignatureError::MalformedKey),
        "a P-384 key and signature under the name of P-256"
    );
}
