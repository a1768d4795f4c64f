//! `mezctl bots rm`

use clap::Args;
use mezite_api::client::Client;
use mezite_console::CommandError;

/// Removes a bot.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// The name.
    bot: String,
}

impl Rm {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let bot = super::named(&self.bot)?;
        client.remove_bot(&bot)?;
        eprintln!("removed bot {bot}");
        Ok(())
    }
}
