//! The engine's random bytes and ephemeral keys: all of them come through here, and from the system.
//!
//! A unit test of this crate may put a seeded generator in its place, on its own thread, so that a recorded session can be
//! replayed. That door is compiled into these tests alone: no program has it, whatever features it is built with.

use aws_lc_rs::agreement::{Algorithm, PrivateKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;

/// Fills `bytes`.
pub fn fill(bytes: &mut [u8]) -> Result<(), Unspecified> {
    #[cfg(test)]
    if seeded::fill(bytes) {
        return Ok(());
    }
    rand::fill(bytes)
}

/// A fresh private key on an elliptic curve.
pub fn private_key(curve: &'static Algorithm) -> Result<PrivateKey, Unspecified> {
    #[cfg(test)]
    if let Some(key) = seeded::private_key(curve) {
        return Ok(key);
    }
    PrivateKey::generate(curve)
}

#[cfg(test)]
pub mod seeded {
    //! Bytes that are the same each time.

    use std::cell::RefCell;

    use aws_lc_rs::agreement::{Algorithm, PrivateKey};
    use sha2::{Digest, Sha256};

    thread_local! {
        static NEXT: RefCell<Option<[u8; 32]>> = const { RefCell::new(None) };
    }

    /// Runs `work` with the bytes that follow from `seed`, on this thread.
    pub fn with<T>(seed: &str, work: impl FnOnce() -> T) -> T {
        NEXT.set(Some(Sha256::digest(seed).into()));
        let outcome = work();
        NEXT.set(None);
        outcome
    }

    /// The next bytes; false where this thread has no seed.
    pub fn fill(bytes: &mut [u8]) -> bool {
        NEXT.with_borrow_mut(|next| {
            let Some(next) = next else { return false };
            for chunk in bytes.chunks_mut(32) {
                chunk.copy_from_slice(&next[..chunk.len()]);
                *next = Sha256::digest(*next).into();
            }
            true
        })
    }

    /// A key of the next bytes.
    pub fn private_key(curve: &'static Algorithm) -> Option<PrivateKey> {
        let mut bytes = [0; 32];
        fill(&mut bytes).then(|| PrivateKey::from_private_key(curve, &bytes).expect("32 bytes make a key"))
    }
}
