//! `mezctl roles rm`

use clap::Args;
use mezite_api::RoleName;
use mezite_api::client::Client;
use mezite_console::CommandError;

/// Removes a role.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Its name.
    role: String,
}

impl Rm {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let role = RoleName::parse(&self.role)?;
        client.remove_role(&role)?;
        eprintln!("removed role {role}");
        Ok(())
    }
}
