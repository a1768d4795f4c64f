//! `mezctl nodes`

mod add;
mod check;
mod get;
mod host_keys;
mod join_script;
pub(crate) mod ls;
mod rm;
mod rotate_host_key;
mod update;

use clap::Subcommand;
use mezite_api::client::Client;
use mezite_api::{Node, NodeRef};
use mezite_console::CommandError;

/// What to do with nodes.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Enrol a machine.
    Add(add::Add),
    /// Show one node.
    Get(get::Get),
    /// List the nodes.
    Ls(ls::Ls),
    /// Change a node.
    Update(update::Update),
    /// Look at a node, or at all.
    Check(check::Check),
    /// Print a script by which a node joins.
    JoinScript(join_script::JoinScript),
    /// Pin other host keys.
    RotateHostKey(rotate_host_key::RotateHostKey),
    /// Remove a node.
    Rm(rm::Rm),
}

impl Verb {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        match self {
            Self::Add(add) => add.run(client),
            Self::Get(get) => get.run(client),
            Self::Ls(ls) => ls.run(client),
            Self::Update(update) => update.run(client),
            Self::Check(check) => check.run(client),
            Self::JoinScript(script) => script.run(client),
            Self::RotateHostKey(rotate) => rotate.run(client),
            Self::Rm(rm) => rm.run(client),
        }
    }
}

/// A node by UUID, name or address; the port only where it is needed to tell two apart.
fn reference(text: &str) -> Result<NodeRef, CommandError> {
    Ok(NodeRef::parse(text)?)
}

/// The fingerprints of a node's pinned keys.
fn fingerprints(node: &Node) -> Vec<String> {
    node.spec.host_keys.iter().map(|key| key.fingerprint().to_string()).collect()
}
