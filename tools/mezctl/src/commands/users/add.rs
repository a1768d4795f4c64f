//! `mezctl users add`

use clap::Args;
use mezite_api::UserName;
use mezite_api::client::Client;
use mezite_api::user::UserAdd;
use mezite_console::CommandError;
use mezite_console::output::{Format, Output};

/// Adds a user, and prints the line by which they set their password and second factor up.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The name.
    user: String,
    /// The roles: a,b.
    #[arg(long, value_delimiter = ',', required = true)]
    roles: Vec<String>,
    /// What {{internal.logins}} in roles stands for: a,b.
    #[arg(long, value_delimiter = ',')]
    logins: Vec<String>,
    /// What {{trait.NAME}} in roles stands for: name=value; may be repeated.
    #[arg(long = "trait", value_name = "NAME=VALUE")]
    traits: Vec<String>,
    /// How long the line for 'msh setup' is good: 30m, 1h, 2d.
    #[arg(long, value_name = "TIME", default_value = "1h")]
    token_ttl: String,
    #[command(flatten)]
    output: Output,
}

impl Add {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let request = UserAdd {
            name: UserName::parse(&self.user)?,
            roles: super::roles(&self.roles)?,
            logins: super::logins(&self.logins)?,
            traits: super::traits(&self.traits)?,
            disabled: false,
            token_ttl: Some(super::token_ttl(&self.token_ttl)?),
        };
        request.check()?;
        let added = client.add_user(&request)?;
        eprintln!("added user {}", added.user.name);
        match &added.setup {
            Some(setup) if self.output.format == Format::Text => super::line(setup),
            _ => self.output.document(&added),
        }
    }
}
