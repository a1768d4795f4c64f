//! `chacha20-poly1305@openssh.com` (OpenSSH's `PROTOCOL.chacha20poly1305`): the length is encrypted with a
//! key of its own, the nonce is the packet's sequence number.

use aws_lc_rs::aead::chacha20_poly1305_openssh::{self as openssh, KEY_LEN, TAG_LEN};

use super::{BadKeyLength, Cipher, LENGTH_LEN, OpeningKey, SealFailed, SealingKey, TagMismatch};

/// ChaCha20-Poly1305.
pub(super) const CHACHA20_POLY1305: Cipher = Cipher {
    name: "chacha20-poly1305@openssh.com",
    key_len: KEY_LEN,
    iv_len: 0,
    block_len: 8,
    aead: true,
    aead_tag_len: TAG_LEN,
    opening: |key, _, _| Ok(Box::new(openssh::OpeningKey::new(key_array(key)?))),
    sealing: |key, _, _| Ok(Box::new(openssh::SealingKey::new(key_array(key)?))),
};

fn key_array(key: &[u8]) -> Result<&[u8; KEY_LEN], BadKeyLength> {
    key.try_into().map_err(|_| BadKeyLength)
}

impl OpeningKey for openssh::OpeningKey {
    fn packet_length(&self, sequence_number: u32, head: [u8; LENGTH_LEN]) -> u32 {
        u32::from_be_bytes(self.decrypt_packet_length(sequence_number, head))
    }

    fn open(&mut self, sequence_number: u32, packet: &mut [u8]) -> Result<(), TagMismatch> {
        let (sealed, tag) = split_tag(packet).ok_or(TagMismatch)?;
        self.open_in_place(sequence_number, sealed, tag).map_err(|_| TagMismatch)?;
        Ok(())
    }
}

impl SealingKey for openssh::SealingKey {
    fn seal(&mut self, sequence_number: u32, packet: &mut [u8]) -> Result<(), SealFailed> {
        let (plain, tag) = split_tag(packet).ok_or(SealFailed)?;
        self.seal_in_place(sequence_number, plain, tag);
        Ok(())
    }
}

/// `length ‖ body` and the tag; `None` when the packet is too short, for which the provider would panic.
fn split_tag(packet: &mut [u8]) -> Option<(&mut [u8], &mut [u8; TAG_LEN])> {
    let (rest, tag) = packet.split_last_chunk_mut::<TAG_LEN>()?;
    (rest.len() >= LENGTH_LEN).then_some((rest, tag))
}
