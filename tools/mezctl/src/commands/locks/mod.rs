//! `mezctl locks`

mod add;
mod ls;
mod rm;

use clap::Subcommand;
use mezite_api::Lock;
use mezite_api::client::Client;
use mezite_console::CommandError;

use crate::listing::Ls;

/// What to do with locks.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Lock something.
    Add(Box<add::Add>),
    /// List the locks that are in force.
    Ls(Ls<Lock>),
    /// Remove a lock.
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
