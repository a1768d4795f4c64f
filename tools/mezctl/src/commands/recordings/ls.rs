//! `mezctl recordings ls`

use clap::Args;
use mezite_api::client::Client;
use mezite_console::CommandError;
use mezite_console::output::{Output, dash, local_or_dash, size};

/// Lists the recordings, oldest first.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    output: Output,
}

impl Ls {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let recordings = client.recordings()?;
        let headings = ["SESSION", "USER", "LOGIN", "NODE", "KIND", "STARTED", "ENDED", "SIZE", "STATE"];
        self.output.list(&recordings, &headings, |recording| {
            vec![
                recording.session.to_string(),
                recording.user.clone(),
                recording.login.clone(),
                recording.node.clone(),
                recording.kind.map_or_else(dash, |kind| kind.as_str().to_owned()),
                local_or_dash(recording.started),
                local_or_dash(recording.ended),
                size(recording.bytes),
                recording.state.as_str().to_owned(),
            ]
        })
    }
}
