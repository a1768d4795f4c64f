//! `mezctl status`

use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use mezite_api::client::{Client, ClientError};
use mezite_api::{duration, status};
use mezite_console::output::{Format, Output, columns, local, print};
use mezite_console::{CommandError, Kind};

/// How often a gateway that is not ready is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// Shows the gateway's state.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Wait so long until the gateway is ready: 10s, 1m.
    #[arg(long, value_name = "TIME")]
    wait: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Status {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let wait = self.wait.as_deref().map(duration::parse).transpose();
        let wait = wait.map_err(|invalid| invalid.in_field("wait"))?;
        let deadline = wait.map(|wait| Instant::now() + wait);
        let status = loop {
            let answer = client.status();
            let ready = matches!(&answer, Ok(status) if status.ready);
            let again = match deadline {
                Some(deadline) => !ready && Instant::now() < deadline && may_come(&answer),
                None => false,
            };
            if !again {
                break answer?;
            }
            thread::sleep(PAUSE);
        };
        match self.output.format {
            Format::Text => print(&columns(lines(&status)))?,
            _ => self.output.document(&status)?,
        }
        if deadline.is_some() && !status.ready {
            return Err(CommandError::new(Kind::Failed, "the gateway is not ready"));
        }
        Ok(())
    }
}

/// Whether waiting can help.
fn may_come(answer: &Result<status::Status, ClientError>) -> bool {
    matches!(answer, Ok(_) | Err(ClientError::Unreachable { .. } | ClientError::TimedOut { .. }))
}

fn lines(status: &status::Status) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("Cluster", status.cluster.clone()),
        ("Version", status.version.clone()),
        ("CA pin", status.ca_pin.clone()),
        ("Ready", if status.ready { "yes".into() } else { "no".into() }),
        ("Started", local(status.started)),
        ("SSH", status.ssh.clone()),
        ("HTTPS", status.https.join(", ")),
        ("Connections", status.connections.to_string()),
        ("Sessions", status.sessions.to_string()),
    ];
    lines.extend(status.warnings.iter().map(|warning| ("Warning", warning.clone())));
    lines
}
