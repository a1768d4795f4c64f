//! `mezctl nodes get`

use clap::Args;
use mezite_api::Node;
use mezite_api::client::Client;

use super::{fingerprints, reference};
use mezite_console::CommandError;
use mezite_console::output::{Output, dash, local};

/// Shows one node.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Its UUID, name or address.
    node: String,
    #[command(flatten)]
    output: Output,
}

impl Get {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let node = client.node(&reference(&self.node)?)?;
        self.output.one(&node, lines)
    }
}

fn lines(node: &Node) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("name", node.spec.hostname.to_string()),
        ("id", node.id().to_string()),
        ("address", node.spec.addr.to_string()),
        ("labels", if node.metadata.labels.is_empty() { dash() } else { node.metadata.labels.to_string() }),
    ];
    lines.extend(fingerprints(node).into_iter().map(|fingerprint| ("pinned host key", fingerprint)));
    let certified = match (node.spec.host_keys.is_empty(), node.spec.host_ca) {
        (true, _) => Some(("pinned host key", "none: it must show a certificate of the Host CA")),
        (false, true) => Some(("host ca", "a certificate of the Host CA is believed too")),
        (false, false) => None,
    };
    lines.extend(certified.map(|(name, text)| (name, text.to_owned())));
    lines.push(("kind", node.sub_kind.as_str().to_owned()));
    if let Some(rotation) = &node.status.host_key_rotation {
        lines.push(("pinned anew", format!("{} by {}", local(rotation.time), rotation.by)));
    }
    match &node.status.seen {
        None => lines.push(("seen", "never".to_owned())),
        Some(seen) => {
            lines.push(("seen", local(seen.time)));
            lines.push(("software", seen.software.clone()));
            if let Some(check) = &seen.check {
                lines.push(("checked", local(check.time)));
                if let Some(error) = &check.error {
                    lines.push(("check failed", error.clone()));
                }
                lines.push(("trusts openssh ca", check.trusts_openssh.as_str().to_owned()));
                lines.push(("trusts user ca", check.trusts_user.as_str().to_owned()));
            }
            lines.extend(seen.host_keys.iter().map(|key| ("seen host key", key.clone())));
        }
    }
    lines
}
