//! `mezctl audit`

mod ls;
mod verify;

use clap::Subcommand;
use mezite_api::client::Client;
use mezite_console::CommandError;

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List events.
    Ls(ls::Ls),
    /// Check that no event was changed, removed, added or moved.
    Verify(verify::Verify),
}

impl Verb {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        match self {
            Self::Ls(ls) => ls.run(client),
            Self::Verify(verify) => verify.run(client),
        }
    }
}
