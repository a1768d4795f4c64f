//! `mezctl recordings`

mod export;
mod ls;

use clap::Subcommand;
use mezite_api::RecordingInfo;
use mezite_api::client::Client;
use mezite_console::CommandError;
use mezite_console::recording::Play;

use crate::listing::Ls;

/// What to do with recordings.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the recordings.
    Ls(Ls<RecordingInfo>),
    /// Show a recorded session.
    Play(Play),
    /// Write a recording in another form.
    Export(export::Export),
}

impl Verb {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        match self {
            Self::Ls(ls) => ls.run(client),
            Self::Play(play) => play.run(client),
            Self::Export(export) => export.run(client),
        }
    }
}
