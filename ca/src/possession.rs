//! Proof of possession: whoever asks for a certificate signs what is asked for with the key that it is for.

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};
use ssh_key::{HashAlg, PrivateKey, SshSig};

use crate::public_key::PublicKey;
use crate::token::TokenDigest;

/// The namespace of the signatures (PROTOCOL.sshsig): they are good for nothing else.
pub const PROOF_NAMESPACE: &str = "possession@mezite";

/// The key's holder could not be proven, or the proof could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof of possession of the key is wrong")]
pub struct ProofError;

/// What is signed: what is asked for, so that a proof serves one request only.
#[derive(Clone, Copy, Debug)]
pub enum Statement<'a> {
    /// The first certificates, for this token.
    Join {
        /// The request's id.
        request: &'a str,
        /// The token's digest.
        token: &'a TokenDigest,
    },
    /// The first certificates, for an id token.
    OidcJoin {
        /// The request's id.
        request: &'a str,
        /// The token.
        id_token: &'a str,
    },
    /// The next certificates of an instance.
    Renew {
        /// The request's id.
        request: &'a str,
        /// The instance.
        instance: &'a str,
        /// The generation that is shown.
        generation: u64,
    },
    /// The certificates of a person who logs in.
    Login {
        /// The request's id.
        request: &'a str,
        /// The person.
        user: &'a str,
        /// The key for TLS, a DER `SubjectPublicKeyInfo`.
        tls_key: &'a [u8],
    },
    /// The entry of a node. Shell scripts write it too (`ssh-keygen -Y sign`).
    NodeJoin {
        /// The request's id.
        request: &'a str,
        /// The token's digest, where there is a token.
        token: Option<&'a TokenDigest>,
        /// The node's name.
        name: &'a str,
        /// `HOST:PORT`
        addr: &'a str,
    },
    /// A look at a node from the gateway.
    NodeConfirm {
        /// The request's id.
        request: &'a str,
        /// The node's UUID, random and never used again: so it is also the cluster that is meant.
        node: &'a str,
    },
    /// The end of a node's entry.
    NodeLeave {
        /// The request's id.
        request: &'a str,
        /// The node's UUID.
        node: &'a str,
    },
}

impl fmt::Display for Statement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join { request, token } => {
                // Digested once more: what is signed must not help anybody to look the token up.
                write!(f, "join\n{request}\n{:x}", Sha256::digest(token.as_bytes()))
            }
            Self::OidcJoin { request, id_token } => {
                write!(f, "oidc-join\n{request}\n{:x}", Sha256::digest(id_token))
            }
            Self::Renew { request, instance, generation } => {
                write!(f, "renew\n{request}\n{instance}\n{generation}")
            }
            Self::Login { request, user, tls_key } => {
                write!(f, "login\n{request}\n{user}\n{:x}", Sha256::digest(tls_key))
            }
            Self::NodeJoin { request, token, name, addr } => {
                let token = token.map_or_else(|| "-".to_owned(), digested);
                write!(f, "node-join\n{request}\n{token}\n{name}\n{addr}")
            }
            Self::NodeConfirm { request, node } => write!(f, "node-confirm\n{request}\n{node}"),
            Self::NodeLeave { request, node } => write!(f, "node-leave\n{request}\n{node}"),
        }
    }
}

/// The digest of a token as scripts digest it once more: its hex text.
fn digested(token: &TokenDigest) -> String {
    let hex = token.as_bytes().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    format!("{:x}", Sha256::digest(hex))
}

impl Statement<'_> {
    /// Signs it: an armoured SSH signature.
    pub fn sign(&self, key: &PrivateKey) -> Result<String, ProofError> {
        let signature = key.sign(PROOF_NAMESPACE, HashAlg::Sha512, self.to_string().as_bytes());
        let armoured = signature.and_then(|signature| signature.to_pem(ssh_key::LineEnding::LF));
        armoured.map_err(|_| ProofError)
    }

    /// Verifies a proof by the key that is to be certified.
    pub fn verify(&self, key: &PublicKey, proof: &str) -> Result<(), ProofError> {
        let signature = SshSig::from_pem(proof).map_err(|_| ProofError)?;
        let key = ssh_key::PublicKey::from(key.key_data().clone());
        key.verify(PROOF_NAMESPACE, self.to_string().as_bytes(), &signature).map_err(|_| ProofError)
    }
}

#[cfg(test)]
mod tests {
    use rand_core::OsRng;
    use ssh_key::{Algorithm, EcdsaCurve};

    use super::*;

    #[test]
    fn a_proof_is_good_for_its_key_and_its_request_only() {
        for algorithm in [Algorithm::Ed25519, Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }] {
            let key = PrivateKey::random(&mut OsRng, algorithm.clone()).unwrap();
            let public = PublicKey::from_key_data(key.public_key().key_data()).unwrap();
            let other = PrivateKey::random(&mut OsRng, algorithm).unwrap();
            let other = PublicKey::from_key_data(other.public_key().key_data()).unwrap();
            let token = TokenDigest::from_bytes([7; 32]);
            let join = Statement::Join { request: "r-1", token: &token };
            let renew = Statement::Renew { request: "r-1", instance: "i", generation: 2 };
            let proof = join.sign(&key).unwrap();
            assert_eq!(join.verify(&public, &proof), Ok(()));
            assert_eq!(join.verify(&other, &proof), Err(ProofError));
            assert_eq!(renew.verify(&public, &proof), Err(ProofError));
            let later = Statement::Join { request: "r-2", token: &token };
            assert_eq!(later.verify(&public, &proof), Err(ProofError));
            let oidc = Statement::OidcJoin { request: "r-1", id_token: "a.b.c" };
            let proof = oidc.sign(&key).unwrap();
            assert_eq!(oidc.verify(&public, &proof), Ok(()));
            let swapped = Statement::OidcJoin { request: "r-1", id_token: "a.b.d" };
            assert_eq!(swapped.verify(&public, &proof), Err(ProofError));
            let elsewhere = key.sign("file", HashAlg::Sha512, join.to_string().as_bytes()).unwrap();
            let elsewhere = elsewhere.to_pem(ssh_key::LineEnding::LF).unwrap();
            assert_eq!(join.verify(&public, &elsewhere), Err(ProofError));
            assert_eq!(join.verify(&public, ""), Err(ProofError));
            let login = Statement::Login { request: "r-1", user: "alice", tls_key: b"key" };
            let proof = login.sign(&key).unwrap();
            assert_eq!(login.verify(&public, &proof), Ok(()));
            for changed in [
                Statement::Login { request: "r-2", user: "alice", tls_key: b"key" },
                Statement::Login { request: "r-1", user: "bob", tls_key: b"key" },
                Statement::Login { request: "r-1", user: "alice", tls_key: b"another" },
            ] {
                assert_eq!(changed.verify(&public, &proof), Err(ProofError));
            }
        }
    }
}
