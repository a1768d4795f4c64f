//! Known packets, and what must not open.

use super::{
    CIPHERS, Cipher, LENGTH_LEN, MACS, Mac, OpeningKey, SealingKey, TagMismatch, by_name, mac_by_name,
};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Bytes that count up, as key material.
fn counting(from: u8, len: usize) -> Vec<u8> {
    (from..=u8::MAX).take(len).collect()
}

/// Every cipher, with every MAC when it needs one.
fn suites() -> Vec<(&'static Cipher, Option<&'static Mac>)> {
    let macs = |cipher: &Cipher| if cipher.aead { vec![None] } else { MACS.iter().map(Some).collect() };
    CIPHERS.iter().flat_map(|cipher| macs(cipher).into_iter().map(move |mac| (cipher, mac))).collect()
}

/// Both keys of a suite, from the same key material.
fn keys(cipher: &Cipher, mac: Option<&Mac>) -> (Box<dyn SealingKey>, Box<dyn OpeningKey>) {
    let (key, iv) = (counting(0, cipher.key_len), vec![0xff; cipher.iv_len]);
    let mac_key = mac.map(|mac| counting(100, mac.key_len));
    let mac = mac.zip(mac_key.as_deref());
    (cipher.sealing(&key, &iv, mac).unwrap(), cipher.opening(&key, &iv, mac).unwrap())
}

/// A packet ready to be sealed.
fn plain_packet(body: &[u8], tag_len: usize) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    [&length.to_be_bytes(), body, &vec![0; tag_len]].concat()
}

fn body_of(packet: &[u8], tag_len: usize) -> &[u8] {
    &packet[LENGTH_LEN..packet.len() - tag_len]
}

/// Seals the same body again and again and compares with what another implementation made of it.
fn assert_seals_to((cipher, mac): (&str, Option<&str>), iv: &[u8], body: &[u8], packets: &[(u32, &str)]) {
    let (cipher, mac) = (by_name(cipher).unwrap(), mac.map(|mac| mac_by_name(mac).unwrap()));
    let (key, mac_key) = (counting(0, cipher.key_len), mac.map(|mac| counting(100, mac.key_len)));
    let mac_and_key = mac.zip(mac_key.as_deref());
    let mut sealing = cipher.sealing(&key, iv, mac_and_key).unwrap();
    let mut opening = cipher.opening(&key, iv, mac_and_key).unwrap();
    for (sequence_number, expected) in packets {
        let mut packet = plain_packet(body, cipher.tag_len(mac));
        sealing.seal(*sequence_number, &mut packet).unwrap();
        assert_eq!(packet, hex(expected), "{} {sequence_number}", cipher.name);
        opening.open(*sequence_number, &mut packet).unwrap();
        assert_eq!(body_of(&packet, cipher.tag_len(mac)), body);
    }
}

/// 48 bytes, for the packets that OpenSSL made (through Python's `cryptography`).
const BODY: &str =
    "060573736820766563746f727373736820766563746f727373736820766563746f7273a0a1a2a3a4a5aaaaaaaaaaaaaa";

#[test]
fn aes_gcm_counts_invocations_from_the_iv_and_wraps() {
    let iv = hex("f0f1f2f3ffffffffffffffff");
    assert_seals_to(
        ("aes256-gcm@openssh.com", None),
        &iv,
        &hex(BODY),
        &[
            (
                7,
                "000000305ed511bc7eaa25f015b56fb1acc79a61afc90b873bd967b014e8a14520e33a135d465d25fecf2757de0e304d83a701ba7b417fd4fcaf1127edcd0f1c5fb6fffa",
            ),
            (
                0,
                "0000003097f92b6b5089f7bd936cc6c06735b17d8146523e31447fc9095af94b3e4178399f7da2f79c452cb498668c4da6a446966ba8fe4f0301bbf4511b4a65cc806d53",
            ),
        ],
    );
    assert_seals_to(
        ("aes128-gcm@openssh.com", None),
        &iv,
        &hex(BODY),
        &[
            (
                7,
                "0000003058f659b60645a8ee3b7ad3d4d724fc357b37977614ebcff8a2ebe31c36b40ecb83d68c621babbe474be081d3ac174a07b34909cbf7efa4c262f1982b5d1f4d12",
            ),
            (
                0,
                "000000304149fa435061938c23edeaefebec572c64622b5a5537436131e596de52138c4312fc90546ac1a6306d0895075f5739f35c9eb7b2945da078fc24d545fe0e190f",
            ),
        ],
    );
}

#[test]
fn aes_ctr_goes_on_between_packets_and_its_mac_covers_the_sequence_number() {
    let iv = hex("fffffffffffffffffffffffffffffffe");
    assert_seals_to(
        ("aes256-ctr", Some("hmac-sha2-256-etm@openssh.com")),
        &iv,
        &hex(BODY),
        &[
            (
                u32::MAX,
                "0000003065e0c771dd3e3eb8999996aceabf542cc9ef817e38c802a920f4795b2bea349a9de273168beb3c740c5930c07784dd2a419b1c84fb0aa6ddc9c4a67ecba39c87cdab8ae5332fd04c51c28951ff62a3b7",
            ),
            (
                0,
                "00000030f65805dd2299e980c582f4433bb145552ecad0bdc143f1ce7bdbc1156e49f2edbd3125f38923c38b253419296f55f7fc764b5cd5e69a777cc88db9867393505d89480074bacee1ae72b5b43561eb3e8a",
            ),
        ],
    );
    assert_seals_to(
        ("aes128-ctr", Some("hmac-sha2-512-etm@openssh.com")),
        &iv,
        &hex(BODY),
        &[
            (
                u32::MAX,
                "00000030b0b0b1ab45aba26aac3ab786dd1de4861c327a51ba68f05017a4cab97835d867a9d34897262df826cae52bc80b6272d3d824d77b30874fd7c2fc50c708d4e3aca68b3ef4906b2752ae2946855962cce8733117c669aada341c394be735f510ad8e5abdf51cc6f503a14c1397913cefd6",
            ),
            (
                0,
                "00000030754360e6fde0c27b2a0fd29116875e6269a0e230edf4d4ff90fa124816e4d3e9d6df588e95c8619cf5f79cf4361d56fc0b9086002b92782804b0d64df44d591fb926550e36b1f4b4a0ca17ba76b707641ecea96f01e7df18a2b0a3adffb49b8154c63e444e5efa3c0af3cc840dd66c95",
            ),
        ],
    );
}

/// The example of draft-ietf-sshm-chacha20-poly1305, appendix A.
#[test]
fn chacha20_poly1305_seals_the_example_of_its_specification() {
    let cipher = by_name("chacha20-poly1305@openssh.com").unwrap();
    let key = hex(
        "8bbff6855fc102338c373e73aac0c914f076a905b2444a32eecaffeae22becc5e9b7a7a5825a8249346ec1c28301cf394543fc7569887d76e168f37562ac0740",
    );
    let plain = hex(
        "00000048065e00000000000000384c6f72656d20697073756d20646f6c6f722073697420616d65742c20636f6e7365637465747572206164697069736963696e6720656c69744e43e804dc6c",
    );
    let sealed = hex(
        "2c3ecce4a5bc05895bf07a7ba956b6c68829ac7c83b780b7000ecde745afc705bbc378ce03a280236b87b53bed5839662302b164b6286a48cd1e097138e3cb909b8b2b829dd18d2a35ff82d995349e855bf02c298ef775f2d1a7e8b8",
    );

    let mut packet = [plain.as_slice(), &[0; 16]].concat();
    cipher.sealing(&key, &[], None).unwrap().seal(7, &mut packet).unwrap();
    assert_eq!(packet, sealed);

    let mut opening = cipher.opening(&key, &[], None).unwrap();
    assert_eq!(opening.packet_length(7, [packet[0], packet[1], packet[2], packet[3]]), 0x48);
    opening.open(7, &mut packet).unwrap();
    assert_eq!(body_of(&packet, 16), &plain[LENGTH_LEN..]);
}

#[test]
fn every_suite_opens_what_it_seals() {
    for (cipher, mac) in suites() {
        let (mut sealing, mut opening) = keys(cipher, mac);
        let tag_len = cipher.tag_len(mac);
        for blocks in [1, 2, 3, 64, 2048] {
            let body = vec![0x5a; blocks * cipher.block_len];
            let sequence_number = u32::try_from(blocks).unwrap();
            let mut packet = plain_packet(&body, tag_len);
            sealing.seal(sequence_number, &mut packet).unwrap();
            assert_ne!(body_of(&packet, tag_len), body, "{}", cipher.name);

            let head = *packet.first_chunk().unwrap();
            assert_eq!(opening.packet_length(sequence_number, head) as usize, body.len(), "{}", cipher.name);
            opening.open(sequence_number, &mut packet).unwrap();
            assert_eq!(body_of(&packet, tag_len), body, "{}", cipher.name);
        }
    }
}

#[test]
fn hostile_016_any_flipped_bit_is_refused() {
    for (cipher, mac) in suites() {
        let mut sealed = plain_packet(&vec![0x5a; 2 * cipher.block_len], cipher.tag_len(mac));
        keys(cipher, mac).0.seal(3, &mut sealed).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut packet = sealed.clone();
            packet[bit / 8] ^= 1 << (bit % 8);
            let (_, mut opening) = keys(cipher, mac);
            assert_eq!(opening.open(3, &mut packet), Err(TagMismatch), "{} bit {bit}", cipher.name);
        }
        assert_eq!(keys(cipher, mac).1.open(3, &mut sealed), Ok(()), "{}", cipher.name);
    }
}

#[test]
fn hostile_014_a_repeated_or_dropped_packet_is_refused() {
    for (cipher, mac) in suites() {
        let (mut sealing, mut opening) = keys(cipher, mac);
        let mut first = plain_packet(&vec![1; cipher.block_len], cipher.tag_len(mac));
        let mut second = plain_packet(&vec![2; cipher.block_len], cipher.tag_len(mac));
        sealing.seal(0, &mut first).unwrap();
        sealing.seal(1, &mut second).unwrap();

        let mut dropped = second.clone();
        assert_eq!(keys(cipher, mac).1.open(0, &mut dropped), Err(TagMismatch), "{}", cipher.name);
        opening.open(0, &mut first.clone()).unwrap();
        assert_eq!(opening.open(1, &mut first), Err(TagMismatch), "{}", cipher.name);
    }
}

#[test]
fn hostile_016_a_packet_shorter_than_its_tag_is_refused() {
    for (cipher, mac) in suites() {
        for len in 0..LENGTH_LEN + cipher.tag_len(mac) {
            let (mut sealing, mut opening) = keys(cipher, mac);
            assert_eq!(opening.open(0, &mut vec![0; len]), Err(TagMismatch), "{} {len}", cipher.name);
            assert!(sealing.seal(0, &mut vec![0; len]).is_err(), "{} {len}", cipher.name);
        }
    }
}

#[test]
fn key_material_of_another_length_is_refused() {
    for (cipher, mac) in suites() {
        let (key, iv) = (vec![0; cipher.key_len], vec![0; cipher.iv_len]);
        let mac_key = mac.map(|mac| vec![0; mac.key_len]);
        let mac_and_key = mac.zip(mac_key.as_deref());
        assert!(cipher.opening(&key[1..], &iv, mac_and_key).is_err(), "{}", cipher.name);
        assert!(cipher.sealing(&key[1..], &iv, mac_and_key).is_err(), "{}", cipher.name);
        assert!(
            cipher.opening(&key, &[iv.as_slice(), &[0]].concat(), mac_and_key).is_err(),
            "{}",
            cipher.name
        );
        if let Some((mac, mac_key)) = mac_and_key {
            assert!(cipher.opening(&key, &iv, Some((mac, &mac_key[1..]))).is_err(), "{}", mac.name);
            assert!(cipher.sealing(&key, &iv, None).is_err(), "{} without a MAC", cipher.name);
        }
    }
}

#[test]
fn an_aead_has_its_own_tag_whatever_mac_was_negotiated() {
    let gcm = by_name("aes256-gcm@openssh.com").unwrap();
    let ctr = by_name("aes256-ctr").unwrap();
    let sha512 = mac_by_name("hmac-sha2-512-etm@openssh.com");
    assert_eq!((gcm.tag_len(None), gcm.tag_len(sha512), ctr.tag_len(sha512)), (16, 16, 64));
}

#[test]
fn only_authenticated_encryption_is_offered() {
    for name in ["aes256-cbc", "3des-cbc", "arcfour", "none", "aes192-ctr", ""] {
        assert!(by_name(name).is_none(), "{name}");
    }
    for name in ["hmac-sha1", "hmac-sha2-256", "hmac-sha1-etm@openssh.com", "umac-64@openssh.com", "none"] {
        assert!(mac_by_name(name).is_none(), "{name}");
    }
}
