//! `mezctl nodes update`

use clap::Args;
use mezite_api::client::Client;
use mezite_api::node::NodeUpdate;
use mezite_api::{Host, Labels, Port};

use super::reference;
use mezite_console::CommandError;

/// Changes a node. What is not given stays.
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Its UUID, name or address.
    node: String,
    #[command(flatten)]
    changes: Changes,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// All labels anew: key=value,key2=value2.
    #[arg(long)]
    labels: Option<String>,
    /// Another name or address of the machine.
    #[arg(long)]
    host: Option<String>,
    /// Another port of its sshd.
    #[arg(long)]
    port: Option<String>,
    /// Whether a certificate of the cluster's Host CA is believed beside the pinned keys.
    #[arg(long, value_name = "BOOL")]
    host_ca: Option<bool>,
}

impl Update {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let request = NodeUpdate {
            labels: self.changes.labels.as_deref().map(Labels::parse).transpose()?,
            host: self.changes.host.as_deref().map(Host::parse).transpose()?,
            port: self.changes.port.as_deref().map(Port::parse).transpose()?,
            host_ca: self.changes.host_ca,
            ..NodeUpdate::default()
        };
        let node = client.update_node(&reference(&self.node)?, &request)?;
        eprintln!("updated node {}", node.spec.hostname);
        Ok(())
    }
}
