//! `msh logout`

use std::process::ExitCode;

use clap::Args;
use mezite_api::client::Server;
use mezite_console::CommandError;

use crate::profile;

/// Removes the certificates and keys of a profile, from the ssh-agent too. They stay valid for whoever has a copy, until
/// they end.
#[derive(Debug, Args)]
pub(crate) struct Logout {
    /// The gateway; by default that of the profile in use.
    #[arg(long, env = "MSH_PROXY", value_name = "HOST[:PORT]", conflicts_with = "all")]
    proxy: Option<String>,
    /// All profiles.
    #[arg(long)]
    all: bool,
}

impl Logout {
    pub(super) fn run(self) -> Result<ExitCode, CommandError> {
        if self.all {
            for folder in profile::all()? {
                profile::remove(&folder)?;
            }
            profile::use_no_more(None)?;
            eprintln!("logged out everywhere");
            return Ok(ExitCode::SUCCESS);
        }
        let server: Option<Server> = match &self.proxy {
            Some(proxy) => Some(proxy.parse()?),
            None => profile::current()?,
        };
        let removed = match &server {
            Some(server) => profile::remove(&profile::folder(server)?)?,
            None => false,
        };
        if removed {
            profile::use_no_more(server.as_ref())?;
        }
        eprintln!("{}", if removed { "logged out" } else { "was not logged in" });
        Ok(ExitCode::SUCCESS)
    }
}
