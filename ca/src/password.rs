//! Passwords of people: kept as Argon2id hashes, compared in a time that says nothing.

use argon2::password_hash::{Output, ParamsString, PasswordHash as Phc, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use crate::random::{self, RandomFailed};

/// OWASP's cost: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Bytes of a salt.
const SALT_LENGTH: usize = 16;
/// Bytes of a digest.
const DIGEST_LENGTH: usize = 32;
/// The most memory that a kept hash may ask for, in KiB.
const MAX_MEMORY_KIB: u32 = 64 * 1024;
/// Reserved for each hash, in KiB, though only what it needs is touched: beyond 32 MiB the allocator asks the system for
/// it and gives it back at once. Less would stay with each thread that has ever hashed.
const RESERVED_KIB: usize = 40 * 1024;

/// Why a password was not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// No randomness for a salt.
    #[error(transparent)]
    Random(#[from] RandomFailed),
    /// Argon2 did not take it: it is too long.
    #[error("the password cannot be hashed")]
    Unhashable,
}

/// The hash of a password with its salt and cost, as a PHC string. It costs much to make and to compare, on purpose.
pub struct PasswordHash(Zeroizing<String>);

impl PasswordHash {
    /// Hashes a password with a fresh salt.
    pub fn new(password: &str) -> Result<Self, PasswordError> {
        let salt = random::bytes::<SALT_LENGTH>()?;
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| PasswordError::Unhashable)?;
        let digest = digest(password, &*salt, &params).ok_or(PasswordError::Unhashable)?;
        let salt = SaltString::encode_b64(&*salt).map_err(|_| PasswordError::Unhashable)?;
        let kept = Phc {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).map_err(|_| PasswordError::Unhashable)?,
            salt: Some(salt.as_salt()),
            hash: Some(digest),
        };
        Ok(Self(Zeroizing::new(kept.to_string())))
    }

    /// One that no password has, for whoever has none: to compare with it costs the same.
    pub fn of_nobody() -> Self {
        // Its digest is all zeros: nobody finds a password for that.
        let digest = "A".repeat(43);
        Self(Zeroizing::new(format!(
            "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$bm9ib2R5J3Mgb3duLi4uLg${digest}"
        )))
    }

    /// A hash as it was kept.
    pub fn from_kept(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text to keep.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether this is the password. False as well where what was kept cannot be read.
    pub fn matches(&self, password: &str) -> bool {
        let compared = || {
            let kept = Phc::new(&self.0).ok()?;
            let params = Params::try_from(&kept).ok()?;
            let mut salt = [0; 64];
            let salt = kept.salt?.decode_b64(&mut salt).ok()?;
            let known = kept.algorithm == Algorithm::Argon2id.ident()
                && kept.version == Some(Version::V0x13.into())
                && params.m_cost() <= MAX_MEMORY_KIB;
            // Two outputs are compared in constant time.
            known.then(|| digest(password, salt, &params)).flatten().map(|digest| Some(digest) == kept.hash)
        };
        compared() == Some(true)
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

fn digest(password: &str, salt: &[u8], params: &Params) -> Option<Output> {
    let mut memory: Vec<Block> = Vec::with_capacity(RESERVED_KIB.max(params.block_count()));
    memory.resize(params.block_count(), Block::new());
    let mut digest = Zeroizing::new([0; DIGEST_LENGTH]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(password.as_bytes(), salt, &mut *digest, memory)
        .ok()?;
    Output::new(&*digest).ok()
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordVerifier as _;

    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let hash = PasswordHash::new("correct horse").unwrap();
        assert!(hash.text().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.text());
        let kept = PasswordHash::from_kept(hash.text().to_owned().into());
        assert!(kept.matches("correct horse"));
        assert!(!kept.matches("correct horse ") && !kept.matches("") && !kept.matches("Correct horse"));
        assert_ne!(PasswordHash::new("correct horse").unwrap().text(), hash.text());
        for damaged in [
            "",
            "$argon2id$",
            &hash.text().replace("m=19456", "m=4000000"),
            &hash.text().replace("argon2id", "argon2i"),
        ] {
            assert!(
                !PasswordHash::from_kept(damaged.to_owned().into()).matches("correct horse"),
                "{damaged}"
            );
        }
        // Another implementation reads it.
        let parsed = Phc::new(hash.text()).unwrap();
        Argon2::default().verify_password(b"correct horse", &parsed).unwrap();
        assert!(!format!("{hash:?}").contains("argon2id"));
    }

    #[test]
    fn nobody_has_no_password() {
        let nobody = PasswordHash::of_nobody();
        assert!(!nobody.matches(""));
        // It is compared to its end, as any other.
        let parsed = Phc::new(nobody.text()).unwrap();
        let own = PasswordHash::new("x").unwrap();
        let own = Phc::new(own.text()).unwrap();
        assert_eq!((parsed.params.to_string(), parsed.version), (own.params.to_string(), own.version));
        assert_eq!(parsed.hash.unwrap().len(), own.hash.unwrap().len());
    }
}
