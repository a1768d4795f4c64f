//! `mezctl bots unlock`

use clap::Args;
use mezite_api::Invalid;
use mezite_api::bot::BotUnlock;
use mezite_api::client::Client;
use mezite_console::CommandError;
use uuid::Uuid;

/// Removes the locks on a bot, or those on one of its instances.
#[derive(Debug, Args)]
pub(crate) struct Unlock {
    /// The bot's name.
    bot: String,
    /// The instance.
    #[arg(long, value_name = "UUID")]
    instance: Option<String>,
}

impl Unlock {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let instance = self.instance.as_deref().map(Uuid::try_parse).transpose();
        let instance = instance.map_err(|_| Invalid::new("instance", "must be a UUID"))?;
        let bot = super::named(&self.bot)?;
        client.unlock_bot(&bot, &BotUnlock { instance })?;
        match instance {
            Some(instance) => eprintln!("unlocked instance {instance} of bot {bot}"),
            None => eprintln!("unlocked bot {bot}"),
        }
        Ok(())
    }
}
