//! `msh ls`

use std::process::ExitCode;

use clap::Args;
use mezite_api::{Labels, Reachable};
use mezite_console::CommandError;
use mezite_console::output::{Output, dash, joined, local_or_dash};

use crate::access::Access;
use crate::api;

/// Lists the nodes that you can reach, and as whom.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    access: Access,
    /// Only those that have all these labels: key=value,key2=value2.
    #[arg(long, default_value = "", hide_default_value = true)]
    labels: String,
    /// Only those with this text in their name or in a label, whatever its case.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Ls {
    pub(super) fn run(self) -> Result<ExitCode, CommandError> {
        let labels = Labels::parse(&self.labels)?;
        let nodes = api::client(&self.access)?.reachable(&labels, self.search.as_deref())?;
        self.output.list(&nodes, &["NAME", "LOGINS", "LABELS", "SEEN"], row)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn row(node: &Reachable) -> Vec<String> {
    vec![
        node.name.to_string(),
        joined(&node.logins),
        if node.labels.is_empty() { dash() } else { node.labels.to_string() },
        local_or_dash(node.seen.as_ref().map(|seen| seen.time)),
    ]
}
