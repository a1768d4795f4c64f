//! `mezctl nodes ls`

use clap::Args;
use mezite_api::Labels;
use mezite_api::client::Client;
use mezite_console::CommandError;
use mezite_console::output::{Output, dash, local_or_dash};

/// Lists the nodes.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Only those that have all these labels: key=value,key2=value2.
    #[arg(long, default_value = "", hide_default_value = true)]
    labels: String,
    #[command(flatten)]
    output: Output,
}

impl Ls {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let nodes = client.nodes(&Labels::parse(&self.labels)?)?;
        self.output.list(&nodes, &["NAME", "ADDRESS", "LABELS", "PINNED", "SEEN"], |node| {
            vec![
                node.spec.hostname.to_string(),
                node.spec.addr.to_string(),
                if node.metadata.labels.is_empty() { dash() } else { node.metadata.labels.to_string() },
                node.spec.host_keys.len().to_string(),
                local_or_dash(node.status.seen.as_ref().map(|seen| seen.time)),
            ]
        })
    }
}
