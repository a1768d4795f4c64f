//! `mezctl ca rotate`

use clap::{Args, ValueEnum};
use mezite_api::client::Client;
use mezite_api::duration;
use mezite_api::rotation::{RotateRequest, Rotated, RotationStep};
use mezite_console::CommandError;
use mezite_console::output::Output;

use super::Ca;

/// Takes one step of a rotation, by default the next in order: prepare, activate, finish. Refused where a node would be
/// cut off, naming it.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Which CA.
    #[arg(long = "type", value_enum, value_name = "CA")]
    ca: Ca,
    /// The step.
    #[arg(long, value_enum, value_name = "STEP")]
    phase: Option<Step>,
    /// The steps after this one come by themselves, each so long after the one before: 30m, 2d. Not where nodes would be
    /// cut off.
    #[arg(long, value_name = "TIME")]
    grace_period: Option<String>,
    /// Also where nodes would be cut off.
    #[arg(long)]
    force: bool,
    /// The key is in wrong hands: makes a new one, refuses everything that was made with the old one at once, cuts live
    /// connections that rest on it, and says what is to be done where.
    #[arg(long, conflicts_with_all = ["phase", "grace_period"])]
    compromised: bool,
    #[command(flatten)]
    output: Output,
}

/// The steps.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Step {
    /// A new key is made and published; it does not sign yet.
    Prepare,
    /// The new key signs; both are trusted.
    Activate,
    /// The old key is not trusted any more.
    Finish,
    /// Back to the old key alone.
    Rollback,
}

impl Step {
    fn of_the_api(self) -> RotationStep {
        match self {
            Self::Prepare => RotationStep::Prepare,
            Self::Activate => RotationStep::Activate,
            Self::Finish => RotationStep::Finish,
            Self::Rollback => RotationStep::Rollback,
        }
    }
}

impl Rotate {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let ca = self.ca.rotating()?;
        let grace_period = self.grace_period.as_deref().map(duration::parse).transpose();
        let grace_period = grace_period.map_err(|invalid| invalid.in_field("grace-period"))?;
        // What is next is next to what is seen now: somebody else's step in between is a conflict.
        let revision = Some(client.ca_status(ca)?.revision);
        let request = RotateRequest {
            phase: self.phase.map(Step::of_the_api),
            revision,
            grace_period,
            force: self.force,
            compromised: self.compromised,
        };
        let rotated = client.rotate_ca(ca, &request)?;
        self.output.one(&rotated, lines)?;
        for node in &rotated.lost_nodes {
            eprintln!("note: {node} was not seen to trust the new key");
        }
        for node in &rotated.doubtful_nodes {
            eprintln!("note: {}: {}", node.name, node.standing.as_str());
        }
        for holder in rotated.lost_certificates.iter().flat_map(|lost| &lost.named) {
            eprintln!("note: {holder}: the certificate is not trusted any more");
        }
        for line in &rotated.to_do {
            eprintln!("{line}");
        }
        Ok(())
    }
}

fn lines(rotated: &Rotated) -> Vec<(&'static str, String)> {
    let status = &rotated.status;
    let mut lines = vec![
        ("ca", status.ca.to_string()),
        ("done", rotated.done.clone()),
        ("phase", status.phase.to_string()),
        ("active key", status.active.fingerprint.clone()),
    ];
    lines.extend(status.further.iter().map(|key| ("trusted too", key.fingerprint.clone())));
    lines.extend(rotated.given_up.iter().map(|key| ("given up", key.fingerprint.clone())));
    if rotated.cut > 0 {
        lines.push(("connections cut", rotated.cut.to_string()));
    }
    lines
}
