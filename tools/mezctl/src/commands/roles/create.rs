//! `mezctl roles create`

use std::path::PathBuf;

use clap::Args;
use mezite_access::Role;
use mezite_api::client::Client;
use mezite_api::role::{MAX_YAML_BYTES, RolePut};
use mezite_console::CommandError;
use mezite_console::files;

/// Makes a role of a YAML document.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The document; - is stdin.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Replace a role of the same name.
    #[arg(long)]
    replace: bool,
}

impl Create {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let yaml = files::read(&self.file, MAX_YAML_BYTES as u64)?;
        // Looked at here already, so that a mistake names the file and nothing is sent.
        Role::parse_yaml(&yaml).map_err(|error| CommandError::usage(error.to_string()).within(&self.file))?;
        let role = client.put_role(&RolePut { yaml, replace: self.replace, revision: None });
        let role = role.map_err(|error| CommandError::from(error).conflict_hint("--replace replaces it"))?;
        eprintln!("stored role {}", role.name);
        Ok(())
    }
}
