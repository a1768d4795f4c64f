//! `mezctl completion`

use clap::{Args, Command};
use clap_complete::{Shell, generate};
use mezite_console::CommandError;
use mezite_console::output::print;

/// Prints what a shell needs to complete commands and options.
#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// For which shell.
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(&self, mut command: Command) -> Result<(), CommandError> {
        let mut script = Vec::new();
        generate(self.shell, &mut command, "mezctl", &mut script);
        print(&String::from_utf8_lossy(&script))
    }
}
