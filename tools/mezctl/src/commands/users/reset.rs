//! `mezctl users reset`

use clap::Args;
use mezite_api::UserName;
use mezite_api::client::Client;
use mezite_api::person::UserReset;
use mezite_console::CommandError;
use mezite_console::output::{Format, Output};

/// Makes the password and the second factor of a user void, and prints the line for new ones. Certificates that were
/// issued stay valid; 'mezctl locks add --user' cuts them.
#[derive(Debug, Args)]
pub(crate) struct Reset {
    /// The name.
    user: String,
    /// How long the line for 'msh setup' is good: 30m, 1h, 2d.
    #[arg(long, value_name = "TIME", default_value = "1h")]
    token_ttl: String,
    #[command(flatten)]
    output: Output,
}

impl Reset {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let user = UserName::parse(&self.user)?;
        let request = UserReset { token_ttl: Some(super::token_ttl(&self.token_ttl)?) };
        request.check()?;
        let setup = client.reset_user(&user, &request)?;
        eprintln!("reset user {user}");
        match self.output.format {
            Format::Text => super::line(&setup),
            _ => self.output.document(&setup),
        }
    }
}
