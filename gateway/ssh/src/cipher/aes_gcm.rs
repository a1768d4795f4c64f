//! `aes128-gcm@openssh.com` and `aes256-gcm@openssh.com`: AES-GCM as RFC 5647 lays it out, with OpenSSH's
//! negotiation.

use aws_lc_rs::aead::{
    AES_128_GCM as GCM_128, AES_256_GCM as GCM_256, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};

use super::{
    BadKeyLength, Cipher, LENGTH_LEN, OpeningKey, SealFailed, SealingKey, TagMismatch, split_packet,
};

const TAG_LEN: usize = 16;
const BLOCK_LEN: usize = 16;

/// AES-256-GCM.
pub(super) const AES_256_GCM: Cipher = Cipher {
    name: "aes256-gcm@openssh.com",
    key_len: 32,
    iv_len: NONCE_LEN,
    block_len: BLOCK_LEN,
    aead: true,
    aead_tag_len: TAG_LEN,
    opening: |key, iv, _| Ok(Box::new(GcmKey::new(&GCM_256, key, iv)?)),
    sealing: |key, iv, _| Ok(Box::new(GcmKey::new(&GCM_256, key, iv)?)),
};

/// AES-128-GCM.
pub(super) const AES_128_GCM: Cipher = Cipher {
    name: "aes128-gcm@openssh.com",
    key_len: 16,
    iv_len: NONCE_LEN,
    block_len: BLOCK_LEN,
    aead: true,
    aead_tag_len: TAG_LEN,
    opening: |key, iv, _| Ok(Box::new(GcmKey::new(&GCM_128, key, iv)?)),
    sealing: |key, iv, _| Ok(Box::new(GcmKey::new(&GCM_128, key, iv)?)),
};

struct GcmKey {
    key: LessSafeKey,
    /// Four bytes that stay for the life of the key (RFC 5647 §7.1).
    fixed: [u8; 4],
    /// Counts packets from the value the IV gave; it has nothing to do with the sequence number.
    invocation_counter: u64,
}

impl GcmKey {
    fn new(
        algorithm: &'static aws_lc_rs::aead::Algorithm,
        key: &[u8],
        iv: &[u8],
    ) -> Result<Self, BadKeyLength> {
        let (fixed, counter) = iv.split_first_chunk::<4>().ok_or(BadKeyLength)?;
        Ok(Self {
            key: LessSafeKey::new(UnboundKey::new(algorithm, key).map_err(|_| BadKeyLength)?),
            fixed: *fixed,
            invocation_counter: u64::from_be_bytes(counter.try_into().map_err(|_| BadKeyLength)?),
        })
    }

    /// The nonce of the next packet. The counter wraps (RFC 5647 §7.1), but keys change long before it
    /// repeats.
    fn next_nonce(&mut self) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        let (fixed, counter) = nonce.split_at_mut(self.fixed.len());
        fixed.copy_from_slice(&self.fixed);
        counter.copy_from_slice(&self.invocation_counter.to_be_bytes());
        self.invocation_counter = self.invocation_counter.wrapping_add(1);
        Nonce::assume_unique_for_key(nonce)
    }
}

impl OpeningKey for GcmKey {
    fn packet_length(&self, _sequence_number: u32, head: [u8; LENGTH_LEN]) -> u32 {
        u32::from_be_bytes(head)
    }

    fn open(&mut self, _sequence_number: u32, packet: &mut [u8]) -> Result<(), TagMismatch> {
        let nonce = self.next_nonce();
        let (length, body, tag) = split_packet(packet, TAG_LEN).ok_or(TagMismatch)?;
        self.key.open_in_place_separate_tag(nonce, Aad::from(*length), tag, body).map_err(|_| TagMismatch)?;
        Ok(())
    }
}

impl SealingKey for GcmKey {
    fn seal(&mut self, _sequence_number: u32, packet: &mut [u8]) -> Result<(), SealFailed> {
        let nonce = self.next_nonce();
        let (length, body, tag) = split_packet(packet, TAG_LEN).ok_or(SealFailed)?;
        self.key.seal_in_place_scatter(nonce, Aad::from(*length), body, &[], tag).map_err(|_| SealFailed)
    }
}
