//! `aes128-ctr` and `aes256-ctr` (RFC 4344 §4) with an encrypt-then-MAC HMAC: for peers that know no AEAD.
//!
//! The length travels in plain, the MAC covers the sequence number, the length and the ciphertext.

use aes::{Aes128, Aes256};
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};

use super::hmac::{Mac, MacKey};
use super::{
    BadKeyLength, Cipher, LENGTH_LEN, OpeningKey, SealFailed, SealingKey, TagMismatch, split_packet,
};

const BLOCK_LEN: usize = 16;

/// AES-256 in counter mode.
pub(super) const AES_256_CTR: Cipher = Cipher {
    name: "aes256-ctr",
    key_len: 32,
    iv_len: BLOCK_LEN,
    block_len: BLOCK_LEN,
    aead: false,
    aead_tag_len: 0,
    opening: |key, iv, mac| Ok(Box::new(CtrKey::<Ctr128BE<Aes256>>::new(key, iv, mac)?)),
    sealing: |key, iv, mac| Ok(Box::new(CtrKey::<Ctr128BE<Aes256>>::new(key, iv, mac)?)),
};

/// AES-128 in counter mode.
pub(super) const AES_128_CTR: Cipher = Cipher {
    name: "aes128-ctr",
    key_len: 16,
    iv_len: BLOCK_LEN,
    block_len: BLOCK_LEN,
    aead: false,
    aead_tag_len: 0,
    opening: |key, iv, mac| Ok(Box::new(CtrKey::<Ctr128BE<Aes128>>::new(key, iv, mac)?)),
    sealing: |key, iv, mac| Ok(Box::new(CtrKey::<Ctr128BE<Aes128>>::new(key, iv, mac)?)),
};

struct CtrKey<C> {
    /// The key stream, which goes on from packet to packet.
    stream: C,
    mac: MacKey,
}

impl<C: KeyIvInit> CtrKey<C> {
    fn new(key: &[u8], iv: &[u8], mac: Option<(&Mac, &[u8])>) -> Result<Self, BadKeyLength> {
        let (mac, mac_key) = mac.ok_or(BadKeyLength)?;
        Ok(Self { stream: C::new_from_slices(key, iv).map_err(|_| BadKeyLength)?, mac: mac.key(mac_key)? })
    }
}

impl<C: StreamCipher + Send> OpeningKey for CtrKey<C> {
    fn packet_length(&self, _sequence_number: u32, head: [u8; LENGTH_LEN]) -> u32 {
        u32::from_be_bytes(head)
    }

    fn open(&mut self, sequence_number: u32, packet: &mut [u8]) -> Result<(), TagMismatch> {
        let (length, body, tag) = split_packet(packet, self.mac.tag_len()).ok_or(TagMismatch)?;
        self.mac.verify(sequence_number, *length, body, tag)?;
        self.stream.try_apply_keystream(body).map_err(|_| TagMismatch)
    }
}

impl<C: StreamCipher + Send> SealingKey for CtrKey<C> {
    fn seal(&mut self, sequence_number: u32, packet: &mut [u8]) -> Result<(), SealFailed> {
        let (length, body, tag) = split_packet(packet, self.mac.tag_len()).ok_or(SealFailed)?;
        self.stream.try_apply_keystream(body).map_err(|_| SealFailed)?;
        tag.copy_from_slice(self.mac.sign(sequence_number, *length, body).as_ref());
        Ok(())
    }
}
