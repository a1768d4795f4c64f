//! `mezctl nodes rm`

use clap::Args;
use mezite_api::client::Client;

use super::reference;
use mezite_console::CommandError;

/// Removes a node.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Its UUID, name or address.
    node: String,
}

impl Rm {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let node = reference(&self.node)?;
        client.remove_node(&node)?;
        eprintln!("removed node {node}");
        Ok(())
    }
}
