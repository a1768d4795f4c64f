//! `ecdh-sha2-nistp256` (RFC 5656 §4).

use aws_lc_rs::agreement::ECDH_P256;

use super::{Initiator, KexError, Method, SharedSecret, agree, encode_string, ephemeral};

/// Length of an uncompressed point, in bytes. Compressed points, which RFC 5656 leaves optional, are refused
/// by length.
const PUBLIC_LEN: usize = 65;

/// ECDH on P-256 with SHA-256.
pub(super) const ECDH_SHA2_NISTP256: Method = Method { name: "ecdh-sha2-nistp256", start, respond };

fn start() -> Result<Initiator, KexError> {
    let (private, public) = ephemeral(&ECDH_P256)?;
    Ok(Initiator {
        public: encode_string(public.as_ref()),
        finish: Box::new(|server_public| {
            let secret = agree(&ECDH_P256, private, uncompressed(server_public)?, PUBLIC_LEN)?;
            Ok(SharedSecret::from_mpint(&secret))
        }),
    })
}

fn respond(client_public: &[u8]) -> Result<(Vec<u8>, SharedSecret), KexError> {
    let (private, public) = ephemeral(&ECDH_P256)?;
    let secret = agree(&ECDH_P256, private, uncompressed(client_public)?, PUBLIC_LEN)?;
    Ok((encode_string(public.as_ref()), SharedSecret::from_mpint(&secret)))
}

/// Refuses the hybrid form, which has the length of the uncompressed one.
fn uncompressed(point: &[u8]) -> Result<&[u8], KexError> {
    match point.first() {
        Some(0x04) => Ok(point),
        _ => Err(KexError::PeerValue),
    }
}
