//! `mezctl users rm`

use clap::Args;
use mezite_api::UserName;
use mezite_api::client::Client;
use mezite_console::CommandError;

/// Removes a user.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// The name.
    user: String,
}

impl Rm {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let user = UserName::parse(&self.user)?;
        client.remove_user(&user)?;
        eprintln!("removed user {user}");
        Ok(())
    }
}
