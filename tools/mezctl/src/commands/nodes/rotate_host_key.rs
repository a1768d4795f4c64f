//! `mezctl nodes rotate-host-key`

use clap::Args;
use mezite_api::client::Client;
use mezite_api::node;

use super::host_keys::HostKeys;
use super::{fingerprints, reference};
use mezite_console::CommandError;

/// Pins other host keys instead of all that are pinned now. Running sessions go on.
#[derive(Debug, Args)]
pub(crate) struct RotateHostKey {
    /// Its UUID, name or address.
    node: String,
    #[command(flatten)]
    host_keys: HostKeys,
}

impl RotateHostKey {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let request =
            node::RotateHostKey { host_keys: self.host_keys.read()?, verify_host_key: self.host_keys.verify };
        request.check()?;
        let node = client.rotate_host_key(&reference(&self.node)?, &request)?;
        eprintln!("node {} is pinned to {}", node.spec.hostname, fingerprints(&node).join(", "));
        Ok(())
    }
}
