//! `mezctl bots ls`

use clap::Args;
use mezite_api::client::Client;
use mezite_console::CommandError;
use mezite_console::output::{Output, joined, local};

/// Lists the bots.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    output: Output,
}

impl Ls {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let bots = client.bots()?;
        self.output.list(&bots, &["NAME", "ROLES", "INSTANCES", "TOKEN", "STATE", "CREATED"], |bot| {
            vec![
                bot.name.to_string(),
                joined(&bot.roles),
                bot.instances.to_string(),
                super::token_state(bot),
                super::state(bot),
                local(bot.created),
            ]
        })
    }
}
