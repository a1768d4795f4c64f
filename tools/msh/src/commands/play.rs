//! `msh play`

use std::process::ExitCode;

use clap::Args;
use mezite_console::{CommandError, recording};

use crate::access::Access;
use crate::api;

/// Shows a recorded session, in its own time on a terminal and at once elsewhere. Roles must have a rule for it.
#[derive(Debug, Args)]
pub(crate) struct PlaySession {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    play: recording::Play,
}

impl PlaySession {
    pub(super) fn run(self) -> Result<ExitCode, CommandError> {
        self.play.run(&api::client(&self.access)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
