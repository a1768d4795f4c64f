//! `mezctl users update`

use clap::Args;
use mezite_api::UserName;
use mezite_api::client::Client;
use mezite_api::user::UserUpdate;
use mezite_console::CommandError;

/// Changes a user. What is not given stays.
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// The name.
    user: String,
    #[command(flatten)]
    changes: Changes,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// All roles anew: a,b.
    #[arg(long, value_delimiter = ',')]
    set_roles: Option<Vec<String>>,
    /// All logins anew: a,b.
    #[arg(long, value_delimiter = ',')]
    set_logins: Option<Vec<String>>,
    /// All traits anew: name=value; may be repeated.
    #[arg(long = "set-trait", value_name = "NAME=VALUE")]
    set_traits: Option<Vec<String>>,
    /// Refuse the user everything.
    #[arg(long, conflicts_with = "enable")]
    disable: bool,
    /// Let the user in again.
    #[arg(long)]
    enable: bool,
}

impl Update {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let changes = self.changes;
        let request = UserUpdate {
            roles: changes.set_roles.as_deref().map(super::roles).transpose()?,
            logins: changes.set_logins.as_deref().map(super::logins).transpose()?,
            traits: changes.set_traits.as_deref().map(super::traits).transpose()?,
            disabled: (changes.disable || changes.enable).then_some(changes.disable),
            revision: None,
        };
        request.check()?;
        let user = client.update_user(&UserName::parse(&self.user)?, &request)?;
        eprintln!("updated user {}", user.name);
        Ok(())
    }
}
