//! `mezctl nodes ls`

use clap::Args;
use mezite_api::client::{Client, ClientError};
use mezite_api::{Labels, Node};
use mezite_console::CommandError;
use mezite_console::output::{Output, dash, local_or_dash};

use crate::listing::{self, Listed};

/// Lists the nodes.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Only those that have all these labels: key=value,key2=value2.
    #[arg(long, default_value = "", hide_default_value = true)]
    labels: String,
    /// Only those with this text in their name, a label, their address or UUID, whatever its case.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// With their UUIDs, which tell apart what has one address.
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    output: Output,
}

impl Ls {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let nodes = client.search_nodes(&Labels::parse(&self.labels)?, self.search.as_deref())?;
        if self.verbose { show_verbose(self.output, &nodes) } else { listing::show(self.output, &nodes) }
    }
}

/// The table with the UUIDs.
pub(crate) fn show_verbose(output: Output, nodes: &[Node]) -> Result<(), CommandError> {
    let headings = [&["UUID"], Node::HEADINGS].concat();
    output.list(nodes, &headings, |node| [vec![node.id().to_string()], node.row()].concat())
}

impl Listed for Node {
    const HEADINGS: &'static [&'static str] = &["NAME", "ADDRESS", "LABELS", "KIND", "PINNED", "SEEN"];

    fn all(client: &Client) -> Result<Vec<Self>, ClientError> {
        client.nodes(&Labels::new())
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.spec.hostname.to_string(),
            self.spec.addr.to_string(),
            if self.metadata.labels.is_empty() { dash() } else { self.metadata.labels.to_string() },
            self.sub_kind.as_str().to_owned(),
            self.spec.host_keys.len().to_string(),
            local_or_dash(self.status.seen.as_ref().map(|seen| seen.time)),
        ]
    }
}
