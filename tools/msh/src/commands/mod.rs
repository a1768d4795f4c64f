//! One module a command.

use std::process::ExitCode;

use clap::Subcommand;
use mezite_console::CommandError;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode, CommandError> {
        match self {}
    }
}
