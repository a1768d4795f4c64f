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
    /// With their UUIDs, which tell apart what has one address.
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    output: Output,
}

const HEADINGS: &[&str] = &["NAME", "LOGINS", "LABELS", "KIND", "SEEN"];

impl Ls {
    pub(super) fn run(self) -> Result<ExitCode, CommandError> {
        let labels = Labels::parse(&self.labels)?;
        let nodes = api::client(&self.access)?.reachable(&labels, self.search.as_deref())?;
        if self.verbose {
            let row = |node: &Reachable| [vec![node.id.to_string()], row(node)].concat();
            self.output.list(&nodes, &[&["UUID"], HEADINGS].concat(), row)?;
        } else {
            self.output.list(&nodes, HEADINGS, row)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(node: &Reachable) -> Vec<String> {
    vec![
        node.name.to_string(),
        joined(&node.logins),
        if node.labels.is_empty() { dash() } else { node.labels.to_string() },
        node.sub_kind.as_str().to_owned(),
        local_or_dash(node.seen.as_ref().map(|seen| seen.time)),
    ]
}
