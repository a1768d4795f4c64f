//! A fresh key of a client, for SSH and for TLS.

use p256::SecretKey;
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use rand_core::OsRng;
use ssh_key::public::{EcdsaPublicKey, KeyData};
use zeroize::Zeroizing;

use crate::{Invalid, TlsPublicKey, UserKey};

/// A P-256 private key, wiped when dropped.
pub struct ClientKey(SecretKey);

impl ClientKey {
    /// Makes one.
    pub fn generate() -> Self {
        Self(SecretKey::random(&mut OsRng))
    }

    /// The private key as PEM (PKCS#8), which `ssh` reads too.
    pub fn private_pem(&self) -> Result<Zeroizing<String>, Invalid> {
        self.0.to_pkcs8_pem(LineEnding::LF).map_err(|_| unwritable())
    }

    /// The public key for TLS.
    pub fn tls_public_key(&self) -> Result<TlsPublicKey, Invalid> {
        let der = self.0.public_key().to_public_key_der().map_err(|_| unwritable())?;
        Ok(TlsPublicKey::from_der(der.as_bytes()))
    }

    /// The same key for SSH.
    pub fn ssh_public_key(&self) -> Result<UserKey, Invalid> {
        let point = self.0.public_key().to_sec1_bytes();
        let key = EcdsaPublicKey::from_sec1_bytes(&point).map_err(|_| unwritable())?;
        let line = ssh_key::PublicKey::from(KeyData::Ecdsa(key)).to_openssh().map_err(|_| unwritable())?;
        UserKey::parse(&line)
    }
}

/// A key that was just made is in range and has its forms.
fn unwritable() -> Invalid {
    Invalid::new("key", "cannot be written")
}
