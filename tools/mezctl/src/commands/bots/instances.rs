//! `mezctl bots instances`

use clap::Args;
use mezite_api::client::Client;
use mezite_console::CommandError;
use mezite_console::output::{Output, dash, local};

/// Lists the instances of a bot.
#[derive(Debug, Args)]
pub(crate) struct Instances {
    /// The bot's name.
    bot: String,
    #[command(flatten)]
    output: Output,
}

impl Instances {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let instances = client.bot_instances(&super::named(&self.bot)?)?;
        let headings =
            ["INSTANCE", "GENERATION", "VALID UNTIL", "LAST SEEN", "FROM", "JOINED", "AS", "STATE"];
        self.output.list(&instances, &headings, |instance| {
            let pending = instance.pending.map_or_else(String::new, |pending| format!(" ({pending} given)"));
            vec![
                instance.id.to_string(),
                format!("{}{pending}", instance.generation),
                local(instance.expires),
                local(instance.last_seen),
                instance.last_source.to_string(),
                local(instance.joined),
                instance.joined_as.as_ref().map_or_else(dash, ToString::to_string),
                if instance.locked { "locked".into() } else { "active".into() },
            ]
        })
    }
}
