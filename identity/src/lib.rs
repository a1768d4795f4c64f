//! Machine identities: certificates that renew themselves for months without a person.
//!
//! A [`Daemon`] owns a [`Destination`]. It joins with a token, renews in time with what it has, tries again without
//! end, and puts each pair in its place whole or not at all. Blocking, two threads, no runtime. Time comes from a
//! [`Clock`] and every file operation is a step of a [`Hook`], so that tests can move the one and stop at the other.
//!
//! Reading order: `daemon` decides when, `exchange` asks and checks, `destination` writes.

mod admission;
mod clock;
mod daemon;
mod destination;
mod error;
mod exchange;
mod folder;
mod hook;
mod id_token_argument;
mod join_token;
mod key;
mod record;
pub mod reply;
mod schedule;
mod settings;
pub mod ssh_config;
mod status;
mod token_argument;
pub mod way;

pub use admission::{Admission, IdTokenSource};
pub use clock::{Clock, Event, SystemClock, events};
pub use daemon::Daemon;
pub use destination::{Destination, FILES, Names};
pub use error::IdentityError;
pub use exchange::has_pin;
pub use folder::Hook;
pub use id_token_argument::{hide_id_token, read_id_token};
pub use join_token::JoinToken;
pub use key::{Key, KeyType};
pub use record::{Record, Trusted};
pub use settings::{DEFAULT_KEY_LIFETIME, HOOK_LIMIT, Settings};
pub use status::{Status, status};
pub use token_argument::{HiddenBy, TokenArgument, read_small_file};
