//! `mezctl bots lock`

use clap::Args;
use mezite_api::bot::BotLock;
use mezite_api::client::Client;
use mezite_console::CommandError;
use mezite_console::output::{Format, Output};

/// Locks a bot with all its instances: no new connections, no certificates.
#[derive(Debug, Args)]
pub(crate) struct Lock {
    /// The bot's name.
    bot: String,
    /// How long: 30m, 8h, 2d; for ever when it is not given.
    #[arg(long, value_name = "TIME")]
    ttl: Option<String>,
    /// What is shown to whom it shuts out.
    #[arg(long)]
    message: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Lock {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let request = BotLock { ttl: super::time(self.ttl.as_deref(), "ttl")?, message: self.message };
        let bot = super::named(&self.bot)?;
        let lock = client.lock_bot(&bot, &request)?;
        eprintln!("locked bot {bot} (lock {})", lock.id);
        if self.output.format == Format::Text { Ok(()) } else { self.output.document(&lock) }
    }
}
