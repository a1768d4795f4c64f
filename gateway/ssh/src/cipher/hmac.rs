//! `hmac-sha2-256-etm@openssh.com` and `hmac-sha2-512-etm@openssh.com` (RFC 6668, OpenSSH's `PROTOCOL` §1.5).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use super::{BadKeyLength, LENGTH_LEN, TagMismatch};

/// A MAC as it is negotiated in KEXINIT, computed over the ciphertext.
#[derive(Debug)]
pub struct Mac {
    /// Its name in KEXINIT.
    pub name: &'static str,
    /// Length of its key, in bytes.
    pub key_len: usize,
    /// Length of its tag, in bytes.
    pub tag_len: usize,
    algorithm: hmac::Algorithm,
}

/// HMAC with SHA-256.
pub(super) const HMAC_SHA2_256_ETM: Mac =
    Mac { name: "hmac-sha2-256-etm@openssh.com", key_len: 32, tag_len: 32, algorithm: hmac::HMAC_SHA256 };

/// HMAC with SHA-512.
pub(super) const HMAC_SHA2_512_ETM: Mac =
    Mac { name: "hmac-sha2-512-etm@openssh.com", key_len: 64, tag_len: 64, algorithm: hmac::HMAC_SHA512 };

impl Mac {
    pub(super) fn key(&self, key: &[u8]) -> Result<MacKey, BadKeyLength> {
        if key.len() != self.key_len {
            return Err(BadKeyLength);
        }
        Ok(MacKey { key: hmac::Key::new(self.algorithm, key), tag_len: self.tag_len })
    }
}

/// The MAC of one direction.
pub(super) struct MacKey {
    key: hmac::Key,
    tag_len: usize,
}

impl MacKey {
    pub(super) fn tag_len(&self) -> usize {
        self.tag_len
    }

    pub(super) fn sign(
        &self,
        sequence_number: u32,
        length: [u8; LENGTH_LEN],
        ciphertext: &[u8],
    ) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&sequence_number.to_be_bytes());
        context.update(&length);
        context.update(ciphertext);
        context.sign()
    }

    pub(super) fn verify(
        &self,
        sequence_number: u32,
        length: [u8; LENGTH_LEN],
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Result<(), TagMismatch> {
        let expected = self.sign(sequence_number, length, ciphertext);
        verify_slices_are_equal(expected.as_ref(), tag).map_err(|_| TagMismatch)
    }
}
