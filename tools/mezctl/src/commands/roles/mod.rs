//! `mezctl roles`

mod create;
mod get;
mod ls;
mod rm;

use clap::Subcommand;
use mezite_api::client::Client;
use mezite_console::CommandError;

/// What to do with roles.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a role of a YAML document.
    Create(create::Create),
    /// Show one role.
    Get(get::Get),
    /// List the roles.
    Ls(ls::Ls),
    /// Remove a role.
    Rm(rm::Rm),
}

impl Verb {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        match self {
            Self::Create(create) => create.run(client),
            Self::Get(get) => get.run(client),
            Self::Ls(ls) => ls.run(client),
            Self::Rm(rm) => rm.run(client),
        }
    }
}
