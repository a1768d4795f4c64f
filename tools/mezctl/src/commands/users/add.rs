//! `mezctl users add`

use clap::Args;
use mezite_api::UserName;
use mezite_api::client::Client;
use mezite_api::user::UserAdd;
use mezite_console::CommandError;

/// Adds a user.
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
}

impl Add {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let request = UserAdd {
            name: UserName::parse(&self.user)?,
            roles: super::roles(&self.roles)?,
            logins: super::logins(&self.logins)?,
            traits: super::traits(&self.traits)?,
            disabled: false,
        };
        request.check()?;
        let user = client.add_user(&request)?;
        eprintln!("added user {}", user.name);
        Ok(())
    }
}
