//! `msh config`

use std::process::ExitCode;

use clap::Args;
use mezite_api::Invalid;
use mezite_console::CommandError;
use mezite_console::output::print;
use mezite_identity::ssh_config::{Opener, SshConfig};

use crate::access::Access;
use crate::profile::{SSH_KEY, own_program};

/// Prints a block for ~/.ssh/config, so that plain ssh and all that uses it go through the gateway.
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(flatten)]
    access: Access,
    /// Which hosts it is for, as Host in ssh's files has it: 'db-* *.example.com'
    #[arg(long, value_name = "PATTERNS", default_value = "*")]
    hosts: String,
}

impl Config {
    pub(super) fn run(self) -> Result<ExitCode, CommandError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "*?!.-_: ".contains(c);
        if self.hosts.trim().is_empty() || !self.hosts.chars().all(plain) {
            return Err(Invalid::new("hosts", "must be patterns of letters, digits and * ? ! . - _ :").into());
        }
        let credentials = self.access.open()?;
        let folder = std::path::absolute(self.access.folder()?)?;
        crate::openssh::path(&folder)?;
        let (program, gateway) = (own_program(), credentials.gateway.to_string());
        let config = SshConfig {
            writer: "msh config",
            folder: &folder,
            gateway: &gateway,
            opener: Opener::Msh(&program),
            hosts: &self.hosts,
            agent: !folder.join(SSH_KEY).exists(),
        };
        print(&config.text())?;
        Ok(ExitCode::SUCCESS)
    }
}
