//! `diffie-hellman-group14-sha256` (RFC 8268): the 2048-bit MODP group of RFC 3526 §3, for peers that know no
//! curve.

use std::sync::LazyLock;

use crypto_bigint::modular::runtime_mod::{DynResidue, DynResidueParams};
use crypto_bigint::{Encoding, U320, U2048};
use zeroize::{Zeroize, Zeroizing};

use super::{Initiator, KexError, Method, SharedSecret, encode_mpint};
use crate::random;

/// Length of the group's prime, in bytes.
const PRIME_LEN: usize = 256;

/// 2^2048 − 2^1984 − 1 + 2^64 · ([2^1918 π] + 124476), a safe prime.
const PRIME: U2048 = U2048::from_be_hex(concat!(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74",
    "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437",
    "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED",
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05",
    "98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB",
    "9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B",
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718",
    "3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF",
));

const GENERATOR: U2048 = U2048::from_u8(2);

static GROUP: LazyLock<DynResidueParams<{ U2048::LIMBS }>> = LazyLock::new(|| DynResidueParams::new(&PRIME));

/// Length of a private exponent, in bytes: the larger estimate of RFC 3526 §8 for this group.
const EXPONENT_LEN: usize = 40;

type Exponent = Zeroizing<U320>;

/// Diffie-Hellman in group 14 with SHA-256.
pub(super) const DIFFIE_HELLMAN_GROUP14_SHA256: Method =
    Method { name: "diffie-hellman-group14-sha256", start, respond };

fn start() -> Result<Initiator, KexError> {
    let exponent = random_exponent()?;
    Ok(Initiator {
        public: encode_mpint(power(&GENERATOR, &exponent).as_slice()),
        finish: Box::new(move |server_public| agree(server_public, &exponent)),
    })
}

fn respond(client_public: &[u8]) -> Result<(Vec<u8>, SharedSecret), KexError> {
    let exponent = random_exponent()?;
    let secret = agree(client_public, &exponent)?;
    Ok((encode_mpint(power(&GENERATOR, &exponent).as_slice()), secret))
}

fn random_exponent() -> Result<Exponent, KexError> {
    let mut bytes = Zeroizing::new([0; EXPONENT_LEN]);
    random::fill(bytes.as_mut_slice()).map_err(|_| KexError::Ephemeral)?;
    Ok(Zeroizing::new(U320::from_be_bytes(*bytes)))
}

fn agree(peer_public: &[u8], exponent: &Exponent) -> Result<SharedSecret, KexError> {
    let secret = power(&peer_value(peer_public)?, exponent);
    Ok(SharedSecret::from_mpint(secret.as_slice()))
}

/// A public value within [2, p − 2], in the one encoding an mpint has. RFC 4253 §8 forbids what is outside
/// [1, p − 1]; 1 and p − 1 are refused too because they make the secret known.
fn peer_value(mpint: &[u8]) -> Result<U2048, KexError> {
    let digits = match mpint {
        [0, digits @ ..] if digits.first().is_some_and(|&byte| byte >= 0x80) => digits,
        [first, ..] if (1..0x80).contains(first) => mpint,
        _ => return Err(KexError::PeerValue),
    };
    let padding = PRIME_LEN.checked_sub(digits.len()).ok_or(KexError::PeerValue)?;
    let mut bytes = [0; PRIME_LEN];
    bytes.split_at_mut(padding).1.copy_from_slice(digits);
    let value = U2048::from_be_bytes(bytes);
    let largest = PRIME.wrapping_sub(&GENERATOR);
    if (GENERATOR..=largest).contains(&value) { Ok(value) } else { Err(KexError::PeerValue) }
}

/// `base ^ exponent mod p`, in a time that does not depend on either.
fn power(base: &U2048, exponent: &Exponent) -> Zeroizing<[u8; PRIME_LEN]> {
    let mut residue = DynResidue::new(base, *GROUP).pow(exponent);
    let mut result = residue.retrieve();
    let bytes = Zeroizing::new(result.to_be_bytes());
    residue.zeroize();
    result.zeroize();
    bytes
}

#[cfg(test)]
pub(super) mod tests {
    //! What the tests of all methods need to see of this one.

    use super::*;

    /// The group's prime, big-endian.
    pub(in super::super) fn prime() -> [u8; PRIME_LEN] {
        PRIME.to_be_bytes()
    }

    /// The public field and the shared secret of one side, from both sides' exponents.
    pub(in super::super) fn exchange(
        own: [u8; EXPONENT_LEN],
        peers: [u8; EXPONENT_LEN],
    ) -> (Vec<u8>, Vec<u8>) {
        let [own, peers] = [own, peers].map(|bytes| Zeroizing::new(U320::from_be_bytes(bytes)));
        let peer_public = encode_mpint(power(&GENERATOR, &peers).as_slice());
        let secret = agree(&peer_public[4..], &own).unwrap();
        (encode_mpint(power(&GENERATOR, &own).as_slice()), secret.as_wire().to_vec())
    }
}
