//! Packet ciphers and MACs: one file an algorithm, one list of each here.
//!
//! A packet on the wire is `length(4) ‖ body ‖ tag`, with `body = padding_length ‖ payload ‖ padding` (RFC
//! 4253 §6). Every cipher here authenticates before it decrypts, and in every one of them the alignment of
//! the padding counts the body alone, without the four length bytes. CBC, encrypt-and-MAC and SHA-1 are not
//! in the list and cannot be chosen.

mod aes_ctr;
mod aes_gcm;
mod chacha20_poly1305;
mod hmac;

#[cfg(test)]
mod tests;

pub use hmac::Mac;

use thiserror::Error;

/// Length of the `packet_length` field in front of each packet, in bytes.
pub const LENGTH_LEN: usize = 4;

/// The tag does not match the packet, or the packet is too short to hold one. The connection must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the packet's authentication tag does not match")]
pub struct TagMismatch;

/// The packet could not be sealed: it has no room for length and tag, or the cipher failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the packet could not be encrypted")]
pub struct SealFailed;

/// A key, IV or MAC key has not the length that the algorithm takes, or a cipher that needs a MAC got none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("key material of the wrong length")]
pub struct BadKeyLength;

/// Opens (authenticates and decrypts) the packets of one direction, one after the other.
pub trait OpeningKey: Send {
    /// The packet's length field, made plain from its four bytes on the wire. It is not authenticated yet:
    /// the caller must bound it before waiting for or allocating that much.
    fn packet_length(&self, sequence_number: u32, head: [u8; LENGTH_LEN]) -> u32;

    /// Authenticates `packet` (`length ‖ body ‖ tag`, as received) and decrypts its body in place. What the
    /// length bytes hold afterwards is unspecified.
    ///
    /// # Errors
    /// [`TagMismatch`]; the contents of `packet` must then not be used, and neither may this key.
    fn open(&mut self, sequence_number: u32, packet: &mut [u8]) -> Result<(), TagMismatch>;
}

/// Seals (encrypts and authenticates) the packets of one direction, one after the other.
pub trait SealingKey: Send {
    /// Encrypts `packet` (`plain length ‖ body ‖ room for the tag`) in place and writes its tag.
    ///
    /// # Errors
    /// [`SealFailed`]; the contents of `packet` must then not be sent, and neither may this key be used.
    fn seal(&mut self, sequence_number: u32, packet: &mut [u8]) -> Result<(), SealFailed>;
}

type MacKey<'a> = Option<(&'a Mac, &'a [u8])>;
type Opening = fn(&[u8], &[u8], MacKey<'_>) -> Result<Box<dyn OpeningKey>, BadKeyLength>;
type Sealing = fn(&[u8], &[u8], MacKey<'_>) -> Result<Box<dyn SealingKey>, BadKeyLength>;

/// A packet cipher as it is negotiated in KEXINIT.
#[derive(Debug)]
pub struct Cipher {
    /// Its name in KEXINIT.
    pub name: &'static str,
    /// Length of its key, in bytes.
    pub key_len: usize,
    /// Length of its initial IV, in bytes; 0 when it takes none.
    pub iv_len: usize,
    /// The body's length is a multiple of this many bytes.
    pub block_len: usize,
    /// It authenticates by itself; the negotiated MAC is not used.
    pub aead: bool,
    /// Length of its own tag, in bytes; 0 when a MAC makes the tag.
    aead_tag_len: usize,
    opening: Opening,
    sealing: Sealing,
}

/// The ciphers, the one preferred on hardware with AES instructions first.
pub static CIPHERS: &[Cipher] = &[
    aes_gcm::AES_256_GCM,
    aes_gcm::AES_128_GCM,
    chacha20_poly1305::CHACHA20_POLY1305,
    aes_ctr::AES_256_CTR,
    aes_ctr::AES_128_CTR,
];

/// The MACs, all of the encrypt-then-MAC kind, most preferred first.
pub static MACS: &[Mac] = &[hmac::HMAC_SHA2_256_ETM, hmac::HMAC_SHA2_512_ETM];

/// The cipher that has this name in KEXINIT.
pub fn by_name(name: &str) -> Option<&'static Cipher> {
    CIPHERS.iter().find(|cipher| cipher.name == name)
}

/// The MAC that has this name in KEXINIT.
pub fn mac_by_name(name: &str) -> Option<&'static Mac> {
    MACS.iter().find(|mac| mac.name == name)
}

impl Cipher {
    /// The key for received packets. `mac` is not looked at when the cipher is an AEAD.
    ///
    /// # Errors
    /// [`BadKeyLength`] when a length is not the one this cipher or MAC states, or the MAC is missing.
    pub fn opening(
        &self,
        key: &[u8],
        iv: &[u8],
        mac: Option<(&Mac, &[u8])>,
    ) -> Result<Box<dyn OpeningKey>, BadKeyLength> {
        self.check_lengths(key, iv)?;
        (self.opening)(key, iv, mac)
    }

    /// The key for packets to send. `mac` is not looked at when the cipher is an AEAD.
    ///
    /// # Errors
    /// [`BadKeyLength`] when a length is not the one this cipher or MAC states, or the MAC is missing.
    pub fn sealing(
        &self,
        key: &[u8],
        iv: &[u8],
        mac: Option<(&Mac, &[u8])>,
    ) -> Result<Box<dyn SealingKey>, BadKeyLength> {
        self.check_lengths(key, iv)?;
        (self.sealing)(key, iv, mac)
    }

    /// Length of the tag behind each packet, in bytes.
    pub fn tag_len(&self, mac: Option<&Mac>) -> usize {
        match mac {
            Some(mac) if !self.aead => mac.tag_len,
            _ => self.aead_tag_len,
        }
    }

    fn check_lengths(&self, key: &[u8], iv: &[u8]) -> Result<(), BadKeyLength> {
        if key.len() == self.key_len && iv.len() == self.iv_len { Ok(()) } else { Err(BadKeyLength) }
    }
}

/// Whether the processor has the instructions that make AES-GCM faster than ChaCha20-Poly1305.
pub fn hardware_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
    }
    #[cfg(target_arch = "aarch64")]
    {
        std::arch::is_aarch64_feature_detected!("aes") && std::arch::is_aarch64_feature_detected!("pmull")
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        false
    }
}

/// The parts of `length ‖ body ‖ tag`; `None` when the packet is too short for them.
fn split_packet(packet: &mut [u8], tag_len: usize) -> Option<(&mut [u8; LENGTH_LEN], &mut [u8], &mut [u8])> {
    let (length, rest) = packet.split_first_chunk_mut::<LENGTH_LEN>()?;
    let body_len = rest.len().checked_sub(tag_len)?;
    let (body, tag) = rest.split_at_mut(body_len);
    Some((length, body, tag))
}
