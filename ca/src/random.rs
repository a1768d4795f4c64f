//! Randomness from the operating system. A failed read is an error, never a fallback.

use rand_core::{OsRng, RngCore};
use zeroize::Zeroizing;

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random number generator failed")]
pub struct RandomFailed;

/// `N` fresh random bytes, wiped when dropped.
pub(crate) fn bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, RandomFailed> {
    bytes_from(&mut OsRng)
}

/// As [`bytes`], from a source that the caller chose.
pub(crate) fn bytes_from<const N: usize>(
    source: &mut dyn RngCore,
) -> Result<Zeroizing<[u8; N]>, RandomFailed> {
    let mut bytes = Zeroizing::new([0; N]);
    source.try_fill_bytes(&mut *bytes).map_err(|_| RandomFailed)?;
    Ok(bytes)
}

/// A certificate serial: 63 random bits, never zero (zero means "not numbered", PROTOCOL.certkeys).
pub(crate) fn serial() -> Result<u64, RandomFailed> {
    loop {
        let serial = u64::from_be_bytes(*bytes::<8>()?) >> 1;
        if serial != 0 {
            return Ok(serial);
        }
    }
}
