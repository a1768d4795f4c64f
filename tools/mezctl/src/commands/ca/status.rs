//! `mezctl ca status`

use clap::Args;
use mezite_api::client::Client;
use mezite_api::rotation::{CaStatus, CertificatesBy, NodesFollowing, RotationPhase};
use mezite_console::CommandError;
use mezite_console::output::{Output, dash, local};

use super::Ca;

/// Shows of each CA its keys, its phase, which nodes do not follow, and which certificates by the old key are still
/// valid.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only this one.
    #[arg(long = "type", value_enum, value_name = "CA")]
    ca: Option<Ca>,
    #[command(flatten)]
    output: Output,
}

impl Status {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let cas = self.ca.map_or_else(|| Ca::ROTATING.to_vec(), |ca| vec![ca]);
        let status = |ca: Ca| Ok(client.ca_status(ca.rotating()?)?);
        let all = cas.into_iter().map(status).collect::<Result<Vec<CaStatus>, CommandError>>()?;
        let headings =
            ["CA", "PHASE", "SINCE", "ACTIVE", "FURTHER", "NODES", "OLD CERTIFICATES", "NEXT BY ITSELF"];
        self.output.list(&all, &headings, row)?;
        all.iter().for_each(notes);
        Ok(())
    }
}

fn row(status: &CaStatus) -> Vec<String> {
    let further = status.further.as_ref().map(|key| {
        let word = if status.phase == RotationPhase::Prepare { "next" } else { "old" };
        format!("{} ({word})", key.fingerprint)
    });
    let automatic = status.automatic.as_ref().map(|automatic| {
        let refused = if automatic.refused { " (refused)" } else { "" };
        format!("{} {}{refused}", automatic.step, local(automatic.due))
    });
    vec![
        status.ca.to_string(),
        status.phase.to_string(),
        local(status.since),
        status.active.fingerprint.clone(),
        further.unwrap_or_else(dash),
        status.nodes.as_ref().map_or_else(dash, nodes),
        status.old_certificates.as_ref().map_or_else(dash, certificates),
        automatic.unwrap_or_else(dash),
    ]
}

fn nodes(nodes: &NodesFollowing) -> String {
    let counts = [
        (nodes.follow, "follow"),
        (nodes.refuse, "do not"),
        (nodes.not_looked_at, "not looked at"),
        (nodes.unreachable, "unreachable"),
        (nodes.unknown, "unknown"),
    ];
    said(&counts)
}

fn certificates(certificates: &CertificatesBy) -> String {
    let counts =
        [(certificates.users, "of people"), (certificates.bots, "of bots"), (certificates.hosts, "of hosts")];
    let more = if certificates.more { " or more" } else { "" };
    format!("{}{more}", said(&counts))
}

fn said(counts: &[(u64, &str)]) -> String {
    let words: Vec<_> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// Who is behind, by name, for people.
fn notes(status: &CaStatus) {
    for node in status.nodes.iter().flat_map(|nodes| &nodes.named) {
        eprintln!("{}: node {}: {}", status.ca, node.name, node.standing.as_str());
    }
    for holder in status.old_certificates.iter().flat_map(|old| &old.named) {
        eprintln!("{}: {holder}: has a certificate by the old key", status.ca);
    }
}
