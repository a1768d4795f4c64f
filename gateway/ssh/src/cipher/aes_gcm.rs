//! `aes128-gcm@openssh.com` and `aes256-gcm@openssh.com`: AES-GCM as RFC 5647 lays it out, with OpenSSH's
//! negotiation.

mod provider;

use super::{
    BadKeyLength, Cipher, LENGTH_LEN, OpeningKey, SealFailed, SealingKey, TagMismatch, split_packet,
};
use provider::{Aead, KeySize, NONCE_LEN, TAG_LEN};

const BLOCK_LEN: usize = 16;

/// AES-256-GCM.
pub(super) const AES_256_GCM: Cipher = Cipher {
    name: "aes256-gcm@openssh.com",
    key_len: 32,
    iv_len: NONCE_LEN,
    block_len: BLOCK_LEN,
    aead: true,
    aead_tag_len: TAG_LEN,
    opening: |key, iv, _| Ok(Box::new(GcmKey::new(KeySize::Bits256, key, iv)?)),
    sealing: |key, iv, _| Ok(Box::new(GcmKey::new(KeySize::Bits256, key, iv)?)),
};

/// AES-128-GCM.
pub(super) const AES_128_GCM: Cipher = Cipher {
    name: "aes128-gcm@openssh.com",
    key_len: 16,
    iv_len: NONCE_LEN,
    block_len: BLOCK_LEN,
    aead: true,
    aead_tag_len: TAG_LEN,
    opening: |key, iv, _| Ok(Box::new(GcmKey::new(KeySize::Bits128, key, iv)?)),
    sealing: |key, iv, _| Ok(Box::new(GcmKey::new(KeySize::Bits128, key, iv)?)),
};

struct GcmKey {
    aead: Aead,
    /// Four bytes that stay for the life of the key (RFC 5647 §7.1).
    fixed: [u8; 4],
    /// Counts packets from the value the IV gave; it has nothing to do with the sequence number.
    invocation_counter: u64,
}

impl GcmKey {
    fn new(size: KeySize, key: &[u8], iv: &[u8]) -> Result<Self, BadKeyLength> {
        let (fixed, counter) = iv.split_first_chunk::<4>().ok_or(BadKeyLength)?;
        Ok(Self {
            aead: Aead::new(size, key)?,
            fixed: *fixed,
            invocation_counter: u64::from_be_bytes(counter.try_into().map_err(|_| BadKeyLength)?),
        })
    }

    /// The nonce of the next packet. The counter wraps (RFC 5647 §7.1), but keys change long before it
    /// repeats.
    fn next_nonce(&mut self) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        let (fixed, counter) = nonce.split_at_mut(self.fixed.len());
        fixed.copy_from_slice(&self.fixed);
        counter.copy_from_slice(&self.invocation_counter.to_be_bytes());
        self.invocation_counter = self.invocation_counter.wrapping_add(1);
        nonce
    }
}

impl OpeningKey for GcmKey {
    fn packet_length(&self, _sequence_number: u32, head: [u8; LENGTH_LEN]) -> u32 {
        u32::from_be_bytes(head)
    }

    fn open(&mut self, _sequence_number: u32, packet: &mut [u8]) -> Result<(), TagMismatch> {
        let nonce = self.next_nonce();
        let (length, body, tag) = split_packet(packet, TAG_LEN).ok_or(TagMismatch)?;
        self.aead.open(nonce, *length, body, tag)
    }
}

impl SealingKey for GcmKey {
    fn seal(&mut self, _sequence_number: u32, packet: &mut [u8]) -> Result<(), SealFailed> {
        let nonce = self.next_nonce();
        let (length, body, tag) = split_packet(packet, TAG_LEN).ok_or(SealFailed)?;
        self.aead.seal(nonce, *length, body, tag)
    }
}
