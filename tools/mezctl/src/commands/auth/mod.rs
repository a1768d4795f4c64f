//! `mezctl auth`

mod export;
mod sign;
mod sign_host;

use clap::Subcommand;
use mezite_api::client::Client;
use mezite_console::CommandError;

pub(crate) use sign::KEY_FILE_MAX;

/// What to do with certificates and CA keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Sign the public key of a user, or of a host.
    Sign(sign::Sign),
    /// Print the public keys of a CA.
    Export(export::Export),
}

impl Verb {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        match self {
            Self::Sign(sign) => sign.run(client),
            Self::Export(export) => export.run(client),
        }
    }
}
