//! The identity's key: one for SSH and TLS, in the forms that their programs read.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use mezite_api::UserKey;
use mezite_ca::Statement;
use p256::pkcs8::LineEnding;
use rand_core::OsRng;
use serde::{Deserialize, Serialize};
use ssh_key::private::{EcdsaKeypair, KeypairData};
use ssh_key::{Algorithm, EcdsaCurve, PrivateKey};
use zeroize::Zeroizing;

use crate::IdentityError;

/// The kind of key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// ECDSA on P-256, which every TLS library takes.
    #[default]
    Ecdsa,
    /// Ed25519.
    Ed25519,
}

impl FromStr for KeyType {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        match text {
            "ecdsa" | "p256" => Ok(Self::Ecdsa),
            "ed25519" => Ok(Self::Ed25519),
            _ => Err(IdentityError::Usage("--key-type must be ecdsa or ed25519".to_owned())),
        }
    }
}

/// A private key. Wiped when dropped, never shown.
pub struct Key(PrivateKey);

impl Key {
    /// Makes one.
    pub fn generate(kind: KeyType) -> Result<Self, IdentityError> {
        let algorithm = match kind {
            KeyType::Ecdsa => Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
            KeyType::Ed25519 => Algorithm::Ed25519,
        };
        PrivateKey::random(&mut OsRng, algorithm).map(Self).map_err(unusable)
    }

    /// Reads OpenSSH's form.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, IdentityError> {
        PrivateKey::from_openssh(text).map(Self).map_err(unusable)
    }

    /// The same key once more.
    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    pub(crate) fn kind(&self) -> KeyType {
        if self.0.algorithm() == Algorithm::Ed25519 { KeyType::Ed25519 } else { KeyType::Ecdsa }
    }

    /// The public key, as the API takes it.
    pub fn public(&self) -> Result<UserKey, IdentityError> {
        let line = self.0.public_key().to_openssh().map_err(unusable)?;
        UserKey::parse(&line).map_err(|error| IdentityError::Key(error.to_string()))
    }

    /// OpenSSH's form of the private key.
    pub fn openssh(&self) -> Result<Zeroizing<String>, IdentityError> {
        self.0.to_openssh(LineEnding::LF).map_err(unusable)
    }

    /// PKCS#8 as PEM, for TLS.
    pub fn pkcs8(&self) -> Result<Zeroizing<String>, IdentityError> {
        let no_key = || IdentityError::Key("is of another type".to_owned());
        match self.0.key_data() {
            KeypairData::Ed25519(pair) => {
                let key = ed25519_dalek::SigningKey::from_bytes(&pair.private.to_bytes());
                key.to_pkcs8_pem(LineEnding::LF).map_err(unusable)
            }
            KeypairData::Ecdsa(EcdsaKeypair::NistP256 { private, .. }) => {
                let key = p256::SecretKey::from_slice(private.as_slice()).map_err(|_| no_key())?;
                key.to_pkcs8_pem(LineEnding::LF).map_err(unusable)
            }
            _ => Err(no_key()),
        }
    }

    /// Proves that this key is at hand.
    pub fn prove(&self, statement: &Statement<'_>) -> Result<String, IdentityError> {
        Ok(statement.sign(&self.0)?)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.kind())
    }
}

fn unusable(error: impl fmt::Display) -> IdentityError {
    IdentityError::Key(error.to_string())
}
