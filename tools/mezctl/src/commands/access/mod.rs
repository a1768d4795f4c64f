//! `mezctl access`

mod explain;

use clap::Subcommand;
use mezite_api::client::Client;
use mezite_console::CommandError;

/// What to do with decisions.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say what would be decided, and why.
    Explain(explain::Explain),
}

impl Verb {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        match self {
            Self::Explain(explain) => explain.run(client),
        }
    }
}
