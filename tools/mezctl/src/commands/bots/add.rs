//! `mezctl bots add`

use clap::Args;
use mezite_api::RoleName;
use mezite_api::bot::BotAdd;
use mezite_api::client::Client;
use mezite_console::CommandError;
use mezite_console::output::Output;

use super::oidc::OidcArguments;
use super::reusable::ReusableArguments;

/// Adds a bot.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The name; shared with users.
    #[arg(long)]
    name: String,
    /// The roles: a,b.
    #[arg(long, value_delimiter = ',', required = true)]
    roles: Vec<String>,
    /// How long the join token is good: 30m, 1h (the default), 2d.
    #[arg(long, value_name = "TIME")]
    token_ttl: Option<String>,
    /// How long its certificates live: 30m, 1h (the default); never longer than the roles allow.
    #[arg(long, value_name = "TIME")]
    ttl: Option<String>,
    #[command(flatten)]
    reusable: ReusableArguments,
    #[command(flatten)]
    oidc: OidcArguments,
    #[command(flatten)]
    output: Output,
}

impl Add {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let roles = self.roles.iter().map(|role| RoleName::parse(role));
        let roles = roles.collect::<Result<_, _>>().map_err(|invalid| invalid.in_field("roles"))?;
        let request = BotAdd {
            name: super::named(&self.name)?,
            roles,
            token_ttl: super::time(self.token_ttl.as_deref(), "token_ttl")?,
            ttl: super::time(self.ttl.as_deref(), "ttl")?,
            reusable: self.reusable.terms()?,
            oidc: self.oidc.trust()?,
        };
        request.check()?;
        super::issued(self.output, "Bot created", &client.add_bot(&request)?)
    }
}
