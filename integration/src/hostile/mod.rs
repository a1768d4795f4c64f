//! Peers that speak SSH and mean ill: a client and a node that say whatever a test wants, with any certificate.
//!
//! They are built on primitives of the engine (ciphers, key exchange methods, the wire format) but not on its
//! transport, which would refuse to misbehave.

mod certificate;
mod client;
mod key;
mod node;
mod session;
mod stolen;
mod theft;
mod tls;
mod trail;
mod transport;

pub use certificate::{Certificate, certificate_name, list, option};
pub use client::{Answer, HostileClient, METHODS, Signed};
pub use key::{Key, RsaKey, any_key, ecdsa_key};
pub use node::{HostKey, HostileNode, accept_service, failure, listen, secure, serve_command};
pub use session::Outcome;
pub use stolen::StolenKeys;
pub use theft::Theft;
pub use tls::{
    Answered, Shown, Tls, config as tls_config, config_of as tls_config_of, is_closed, request, tls, tls_as,
    try_tls,
};
pub use trail::{Attempt, assert_trail, events_of};
pub use transport::{KexInit, Transport};
