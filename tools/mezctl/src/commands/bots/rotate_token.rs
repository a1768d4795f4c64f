//! `mezctl bots rotate-token`

use clap::Args;
use mezite_api::bot::TokenRotate;
use mezite_api::client::Client;
use mezite_console::CommandError;
use mezite_console::output::{Format, Output};

use super::reusable::ReusableArguments;

/// Replaces the join token: the old one is good for nothing from now on. A bot that joins with id tokens has none: there
/// it is for --revoke.
#[derive(Debug, Args)]
pub(crate) struct RotateToken {
    /// The bot's name.
    bot: String,
    /// How long the new token is good: 30m, 1h (the default), 2d.
    #[arg(long, value_name = "TIME")]
    token_ttl: Option<String>,
    /// Remove the instances that there are, too.
    #[arg(long)]
    revoke: bool,
    #[command(flatten)]
    reusable: ReusableArguments,
    #[command(flatten)]
    output: Output,
}

impl RotateToken {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let request = TokenRotate {
            token_ttl: super::time(self.token_ttl.as_deref(), "token_ttl")?,
            revoke: self.revoke,
            reusable: self.reusable.terms()?,
        };
        request.check()?;
        let issued = client.rotate_token(&super::named(&self.bot)?, &request)?;
        if issued.token.is_none() && self.output.format == Format::Text {
            eprintln!("removed the instances of bot {}", issued.bot.name);
            return Ok(());
        }
        super::issued(self.output, "Token replaced", &issued)
    }
}
