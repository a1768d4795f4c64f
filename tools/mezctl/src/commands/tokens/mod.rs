//! `mezctl tokens`

mod add;
mod ls;
mod rm;

use clap::Subcommand;
use mezite_api::client::Client;
use mezite_console::CommandError;

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a join token for a node; prints it. Those for bots and people come with 'bots add' and 'users add'.
    Add(add::Add),
    /// List the tokens of every kind, never the secrets.
    Ls(ls::Ls),
    /// Remove a token.
    Rm(rm::Rm),
}

impl Verb {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        match self {
            Self::Add(add) => add.run(client),
            Self::Ls(ls) => ls.run(client),
            Self::Rm(rm) => rm.run(client),
        }
    }
}
