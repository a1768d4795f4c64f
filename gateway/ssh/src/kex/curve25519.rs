//! `curve25519-sha256` (RFC 8731) and the name it had before.

use aws_lc_rs::agreement::X25519;

use super::{Initiator, KexError, Method, SharedSecret, agree, encode_string, ephemeral};

/// Length of an X25519 public value, in bytes.
pub(super) const PUBLIC_LEN: usize = 32;

/// X25519 with SHA-256.
pub(super) const CURVE25519_SHA256: Method = Method { name: "curve25519-sha256", start, respond };

/// The same method under the name given to it by libssh.
pub(super) const CURVE25519_SHA256_LIBSSH: Method =
    Method { name: "curve25519-sha256@libssh.org", start, respond };

fn start() -> Result<Initiator, KexError> {
    let (private, public) = ephemeral(&X25519)?;
    Ok(Initiator {
        public: encode_string(public.as_ref()),
        finish: Box::new(|server_public| {
            let secret = agree(&X25519, private, server_public, PUBLIC_LEN)?;
            Ok(SharedSecret::from_mpint(&secret))
        }),
    })
}

fn respond(client_public: &[u8]) -> Result<(Vec<u8>, SharedSecret), KexError> {
    let (private, public) = ephemeral(&X25519)?;
    let secret = agree(&X25519, private, client_public, PUBLIC_LEN)?;
    Ok((encode_string(public.as_ref()), SharedSecret::from_mpint(&secret)))
}
