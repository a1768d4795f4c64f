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
    #[command(flatten)]
    output: Output,
}

impl Ls {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        listing::show(self.output, &client.nodes(&Labels::parse(&self.labels)?)?)
    }
}

impl Listed for Node {
    const HEADINGS: &'static [&'static str] = &["NAME", "ADDRESS", "LABELS", "PINNED", "SEEN"];

    fn all(client: &Client) -> Result<Vec<Self>, ClientError> {
        client.nodes(&Labels::new())
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.spec.hostname.to_string(),
            self.spec.addr.to_string(),
            if self.metadata.labels.is_empty() { dash() } else { self.metadata.labels.to_string() },
            self.spec.host_keys.len().to_string(),
            local_or_dash(self.status.seen.as_ref().map(|seen| seen.time)),
        ]
    }
}
