//! `mezctl ssh-config`

use clap::Args;
use mezite_api::UserName;
use mezite_api::client::Client;
use mezite_console::CommandError;
use mezite_console::output::print;

/// Prints what stock ssh needs: a block for its configuration, or with --known-hosts the lines for its known hosts.
#[derive(Debug, Args)]
pub(crate) struct SshConfig {
    /// For whom; for whoever asks where it is not given.
    #[arg(long)]
    user: Option<String>,
    /// Print the lines for `~/.ssh/known_hosts`.
    #[arg(long)]
    known_hosts: bool,
}

impl SshConfig {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let user = self.user.as_deref().map(UserName::parse).transpose()?;
        let config = client.ssh_config(user.as_ref())?;
        print(if self.known_hosts { &config.known_hosts } else { &config.ssh_config })
    }
}
