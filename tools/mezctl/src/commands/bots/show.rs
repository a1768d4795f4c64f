//! `mezctl bots show`

use clap::Args;
use mezite_api::client::Client;
use mezite_api::duration;
use mezite_console::CommandError;
use mezite_console::output::{Output, joined, local};

/// Shows a bot.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The name.
    bot: String,
    #[command(flatten)]
    output: Output,
}

impl Show {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let bot = client.bot(&super::named(&self.bot)?)?;
        self.output.one(&bot, |bot| {
            let mut rows = vec![
                ("name", bot.name.to_string()),
                ("id", bot.id.to_string()),
                ("roles", joined(&bot.roles)),
                ("certificates", format!("{}, or what the roles allow", duration::format(bot.ttl))),
                ("token", super::token_state(bot)),
                ("instances", bot.instances.to_string()),
                ("state", super::state(bot)),
                ("created", local(bot.created)),
            ];
            if let Some(terms) = bot.token.as_ref().and_then(|token| token.reusable.as_ref()) {
                rows.push(("token from", joined(&terms.sources)));
            }
            if let Some(trust) = &bot.oidc {
                rows.push(("id tokens of", super::oidc::summary(trust)));
            }
            rows
        })
    }
}
