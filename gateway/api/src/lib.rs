//! What the gateway and its command lines say to each other: validated names, resource documents, request
//! bodies and problems.
//!
//! Everything here is checked when it is made: who holds a [`Login`] or a [`Labels`] need not look again.
//! Text that came from outside goes through [`escape`] before a person, a log or an audit event sees it.

pub mod audit;
pub mod bot;
mod ca_pin;
pub mod certificate;
pub mod client;
pub mod duration;
mod escape;
pub mod explain;
#[cfg(test)]
mod hostile;
mod invalid;
pub mod join;
mod json;
pub mod label;
pub mod lock;
mod name;
pub mod node;
mod node_address;
pub mod oidc;
pub mod person;
pub mod problem;
mod public_key;
pub mod reachable;
pub mod request;
pub mod revocation;
pub mod reusable;
pub mod role;
pub mod rotation;
mod secret;
pub mod session;
pub mod ssh_config;
pub mod status;
mod target;
mod text;
mod tls_public_key;
pub mod token;
pub mod user;

pub use audit::AuditEvent;
pub use ca_pin::CaPin;
pub use escape::{ESCAPED_MAX_CHARS, escape, escape_json, is_deceptive};
pub use invalid::Invalid;
pub use label::Labels;
pub use lock::{Lock, LockTarget};
pub use name::{DnsName, Login, NodeName, RoleName, UserName};
pub use node::Node;
pub use node_address::{Host, NodeAddress, Port};
pub use problem::{Problem, ProblemCode};
pub use public_key::{HostKey, UserKey};
pub use reachable::Reachable;
pub use revocation::{Revocation, RevocationTarget};
pub use secret::SecretText;
pub use session::{RecordingInfo, SessionInfo};
pub use target::{NodeRef, SshName, Target};
pub use tls_public_key::{TlsPublicKey, pem};
pub use user::User;
