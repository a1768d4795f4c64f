//! `mezctl certs`

mod revoke;
mod revoked;
mod unrevoke;

use clap::Subcommand;
use mezite_api::Revocation;
use mezite_api::client::Client;
use mezite_console::CommandError;

use crate::listing::Ls;

/// What to do with certificates that are not to be believed any more.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Revoke a certificate, a key, or all certificates of a user.
    Revoke(revoke::Revoke),
    /// List what is revoked.
    #[command(visible_alias = "ls")]
    Revoked(Ls<Revocation>),
    /// Take a revocation back.
    Unrevoke(unrevoke::Unrevoke),
}

impl Verb {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        match self {
            Self::Revoke(revoke) => revoke.run(client),
            Self::Revoked(ls) => ls.run(client),
            Self::Unrevoke(unrevoke) => unrevoke.run(client),
        }
    }
}
