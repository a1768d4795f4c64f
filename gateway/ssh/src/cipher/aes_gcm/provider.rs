//! Who computes AES-GCM: of the two providers, the one that has the better code for this processor.
//!
//! With AVX-512 `aws-lc-rs` is twice as fast as `ring`. On processors that have the vector AES instructions without
//! AVX-512 (AMD Zen 3, most of Intel's for desktops and appliances) it is the other way round.

use super::{BadKeyLength, LENGTH_LEN, SealFailed, TagMismatch};

/// Length of a nonce, in bytes.
pub(super) const NONCE_LEN: usize = 12;
/// Length of a tag, in bytes.
pub(super) const TAG_LEN: usize = 16;

/// Of the key.
#[derive(Clone, Copy, Debug)]
pub(super) enum KeySize {
    /// AES-128.
    Bits128,
    /// AES-256.
    Bits256,
}

/// A key, with its provider.
pub(super) enum Aead {
    AwsLc(Box<aws_lc_rs::aead::LessSafeKey>),
    Ring(Box<ring::aead::LessSafeKey>),
}

impl Aead {
    /// A key for the provider that is faster here.
    pub(super) fn new(size: KeySize, key: &[u8]) -> Result<Self, BadKeyLength> {
        if ring_is_faster() { Self::ring(size, key) } else { Self::aws_lc(size, key) }
    }

    fn aws_lc(size: KeySize, key: &[u8]) -> Result<Self, BadKeyLength> {
        use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, LessSafeKey, UnboundKey};
        let algorithm = match size {
            KeySize::Bits128 => &AES_128_GCM,
            KeySize::Bits256 => &AES_256_GCM,
        };
        let key = UnboundKey::new(algorithm, key).map_err(|_| BadKeyLength)?;
        Ok(Self::AwsLc(Box::new(LessSafeKey::new(key))))
    }

    fn ring(size: KeySize, key: &[u8]) -> Result<Self, BadKeyLength> {
        use ring::aead::{AES_128_GCM, AES_256_GCM, LessSafeKey, UnboundKey};
        let algorithm = match size {
            KeySize::Bits128 => &AES_128_GCM,
            KeySize::Bits256 => &AES_256_GCM,
        };
        let key = UnboundKey::new(algorithm, key).map_err(|_| BadKeyLength)?;
        Ok(Self::Ring(Box::new(LessSafeKey::new(key))))
    }

    /// Authenticates `length` and `body`, and decrypts `body` in place.
    pub(super) fn open(
        &self,
        nonce: [u8; NONCE_LEN],
        length: [u8; LENGTH_LEN],
        body: &mut [u8],
        tag: &[u8],
    ) -> Result<(), TagMismatch> {
        match self {
            Self::AwsLc(key) => {
                use aws_lc_rs::aead::{Aad, Nonce};
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.open_in_place_separate_tag(nonce, Aad::from(length), tag, body)
                    .map(drop)
                    .map_err(|_| TagMismatch)
            }
            Self::Ring(key) => {
                use ring::aead::{Aad, Nonce, Tag};
                let nonce = Nonce::assume_unique_for_key(nonce);
                let tag = Tag::try_from(tag).map_err(|_| TagMismatch)?;
                key.open_in_place_separate_tag(nonce, Aad::from(length), tag, body, 0..)
                    .map(drop)
                    .map_err(|_| TagMismatch)
            }
        }
    }

    /// Encrypts `body` in place, and writes the tag of `length` and `body`.
    pub(super) fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        length: [u8; LENGTH_LEN],
        body: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), SealFailed> {
        match self {
            Self::AwsLc(key) => {
                use aws_lc_rs::aead::{Aad, Nonce};
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.seal_in_place_scatter(nonce, Aad::from(length), body, &[], tag).map_err(|_| SealFailed)
            }
            Self::Ring(key) => {
                use ring::aead::{Aad, Nonce};
                let nonce = Nonce::assume_unique_for_key(nonce);
                let made =
                    key.seal_in_place_separate_tag(nonce, Aad::from(length), body).map_err(|_| SealFailed)?;
                let tag: &mut [u8; TAG_LEN] = tag.try_into().map_err(|_| SealFailed)?;
                tag.copy_from_slice(made.as_ref());
                Ok(())
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn ring_is_faster() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx2") && has!("vaes") && has!("vpclmulqdq") && !has!("avx512f")
}

#[cfg(not(target_arch = "x86_64"))]
const fn ring_is_faster() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both providers, whatever this processor prefers.
    fn both(size: KeySize, key: &[u8]) -> [Aead; 2] {
        [Aead::aws_lc(size, key).unwrap(), Aead::ring(size, key).unwrap()]
    }

    #[test]
    fn both_providers_make_the_same_packets_and_open_each_others() {
        for (size, len) in [(KeySize::Bits128, 16), (KeySize::Bits256, 32)] {
            let key = vec![0x42; len];
            for body_len in [0, 1, 16, 1000, 32 * 1024] {
                let plain: Vec<u8> = (0..=u8::MAX).cycle().take(body_len).collect();
                let sealed = both(size, &key).map(|aead| {
                    let (mut body, mut tag) = (plain.clone(), [0; TAG_LEN]);
                    aead.seal([7; NONCE_LEN], [1, 2, 3, 4], &mut body, &mut tag).unwrap();
                    (body, tag)
                });
                assert_eq!(sealed[0], sealed[1], "{size:?} {body_len}");
                for aead in both(size, &key) {
                    let (mut body, mut tag) = sealed[0].clone();
                    aead.open([7; NONCE_LEN], [1, 2, 3, 4], &mut body, &tag).unwrap();
                    assert_eq!(body, plain, "{size:?} {body_len}");
                    tag[0] ^= 1;
                    let mut body = sealed[0].0.clone();
                    assert_eq!(aead.open([7; NONCE_LEN], [1, 2, 3, 4], &mut body, &tag), Err(TagMismatch));
                }
            }
        }
    }

    #[test]
    fn both_providers_refuse_keys_of_another_length() {
        for len in [0, 15, 17, 31, 33] {
            assert!(Aead::aws_lc(KeySize::Bits256, &vec![0; len]).is_err(), "{len}");
            assert!(Aead::ring(KeySize::Bits256, &vec![0; len]).is_err(), "{len}");
        }
    }
}
