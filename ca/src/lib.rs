//! The cluster's certificate authorities: keys and how they are kept, SSH and X.509 certificates, and the one place
//! where a certificate becomes believed.
//!
//! * [`SshCaKey`], [`TlsCa`]: the four CAs ([`CaKind`]), stored as [`SealedCaKey`] and [`SealedTlsCa`] under a
//!   [`SealingKey`].
//! * [`issue_user_certificate`], [`issue_host_certificate`], [`NodeLegCredential`]: issuing. What was signed is taken
//!   apart again and compared with what was asked.
//! * [`verify_user_certificate`], [`verify_host_certificate`]: believing, against a [`TrustedSet`];
//!   [`verify_client_certificate`]: the same in TLS, against a [`ClientTrust`].
//! * [`export()`]: the public keys as lines for other programs; [`RevocationList`]: what is revoked, as OpenSSH reads it.
//! * [`Token`]: join and set-up tokens, of which only the [`TokenDigest`] is kept; [`PasswordHash`] and [`TotpSecret`]: how people prove who
//!   they are.
//!
//! No I/O but key files, no clock but the caller's, no runtime.

mod ca_key;
mod certificate;
mod export;
mod issue;
mod key_file;
mod kind;
mod krl;
mod node_leg;
mod options;
mod password;
mod possession;
mod principal;
mod public_key;
mod random;
mod refusal;
mod sealing;
mod text;
mod tls;
mod token;
mod totp;
mod trust;
mod verify;
mod wire;

pub use ssh_key;

pub use ca_key::{CaKeyError, SealedCaKey, SshCaKey};
pub use certificate::{CertificateType, MAX_CERTIFICATE_BLOB};
pub use export::{ExportForm, export};
pub use issue::{
    CertificateBody, CertificateSigner, HostCertificateRequest, IssueError, IssuedCertificate, SigningFailed,
    UserCertificateRequest, issue_host_certificate, issue_user_certificate,
};
pub use key_file::{KeyFileError, create_key_file};
pub use kind::{CaKind, KeyAlgorithm, UnknownCaKind};
pub use krl::RevocationList;
pub use node_leg::{MAX_NODE_LEG_LIFETIME, NodeLegCredential, NodeLegRequest};
pub use options::{BotInstance, Permits};
pub use password::{PasswordError, PasswordHash};
pub use possession::{PROOF_NAMESPACE, ProofError, Statement};
pub use principal::{MAX_PRINCIPAL_LENGTH, MAX_PRINCIPALS, PrincipalError, check_principal};
pub use public_key::{MAX_RSA_BITS, MIN_RSA_BITS, PublicKey, PublicKeyError};
pub use random::RandomFailed;
pub use refusal::CertificateRefusal;
pub use sealing::{Passphrase, SealError, SealRecord, SealSource, SealedSecret, SealingKey};
pub use text::printable;
pub use tls::{
    ClientCertificateRequest, ClientIdentity, IssuedClientCertificate, MAX_SERVER_LIFETIME, SealedTlsCa,
    ServerCertificate, TlsCa, TlsError, certificate_validity,
};
pub use token::{Token, TokenDigest, TokenError, TokenKind};
pub use totp::TotpSecret;
pub use trust::TrustedSet;
pub use verify::{
    CLOCK_SKEW, ClientCertificate, ClientCertificateRefusal, ClientTrust, HostCertificate, MAX_HOST_LIFETIME,
    MAX_USER_LIFETIME, UserCertificate, Verified, verify_client_certificate, verify_host_certificate,
    verify_user_certificate,
};
