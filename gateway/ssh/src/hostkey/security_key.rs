//! `sk-ssh-ed25519@openssh.com` and `sk-ecdsa-sha2-nistp256@openssh.com` (OpenSSH's PROTOCOL.u2f): keys in
//! FIDO tokens.
//!
//! The token signs `SHA-256(application) ‖ flags ‖ counter ‖ SHA-256(message)`; flags and counter follow the
//! signature.

use sha2::{Digest, Sha256};
use ssh_key::EcdsaCurve;

use super::{Algorithm, SignatureError, ecdsa, ed25519, key_end, key_field};
use crate::wire::{Reader, Writer};

/// Set in the flags when somebody touched the token.
const USER_PRESENT: u8 = 0x01;

/// Ed25519 in a token. Hosts have nobody to touch one.
pub(super) const ED25519: Algorithm = Algorithm {
    name: "sk-ssh-ed25519@openssh.com",
    key_type: "sk-ssh-ed25519@openssh.com",
    plain_key_type: "sk-ssh-ed25519@openssh.com",
    signature: "sk-ssh-ed25519@openssh.com",
    certificate: false,
    host_key: false,
    key_fields: 2,
    verify: |mut key, message, signature| {
        let public = key_field(&mut key)?;
        let signed = Signed::read(key, message, signature)?;
        ed25519::verify(public, &signed.data, signed.signature)
    },
};

/// ECDSA on P-256 in a token.
pub(super) const NISTP256: Algorithm = Algorithm {
    name: "sk-ecdsa-sha2-nistp256@openssh.com",
    key_type: "sk-ecdsa-sha2-nistp256@openssh.com",
    plain_key_type: "sk-ecdsa-sha2-nistp256@openssh.com",
    signature: "sk-ecdsa-sha2-nistp256@openssh.com",
    key_fields: 3,
    verify: |mut key, message, signature| {
        let point = ecdsa::curve_point(EcdsaCurve::NistP256, &mut key)?;
        let signed = Signed::read(key, message, signature)?;
        ecdsa::verify(&point, &signed.data, signed.signature)
    },
    ..ED25519
};

/// Ed25519 in a token, with a certificate.
pub(super) const ED25519_CERTIFICATE: Algorithm = Algorithm {
    name: "sk-ssh-ed25519-cert-v01@openssh.com",
    key_type: "sk-ssh-ed25519-cert-v01@openssh.com",
    certificate: true,
    ..ED25519
};

/// ECDSA on P-256 in a token, with a certificate.
pub(super) const NISTP256_CERTIFICATE: Algorithm = Algorithm {
    name: "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
    key_type: "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
    certificate: true,
    ..NISTP256
};

/// What a token signed, and its signature.
struct Signed<'a> {
    data: Vec<u8>,
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Reads the rest of the key, which is the application, and the signature; demands that the token was
    /// touched.
    fn read(mut key: Reader<'_>, message: &[u8], mut signature: Reader<'a>) -> Result<Self, SignatureError> {
        let application = key_field(&mut key)?;
        key_end(key)?;

        let malformed = |_| SignatureError::MalformedSignature;
        let content = signature.string().map_err(malformed)?;
        let flags = signature.u8().map_err(malformed)?;
        let counter = signature.u32().map_err(malformed)?;
        signature.end().map_err(malformed)?;
        if flags & USER_PRESENT == 0 {
            return Err(SignatureError::NotPresent);
        }

        let mut data = Vec::with_capacity(2 * 32 + 1 + 4);
        data.raw(&Sha256::digest(application)).u8(flags).u32(counter).raw(&Sha256::digest(message));
        Ok(Self { data, signature: content })
    }
}
