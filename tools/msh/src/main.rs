//! `msh`: what people use to log in and to reach nodes.

mod access;
mod agent;
mod api;
mod commands;
mod gateway;
mod openssh;
mod profile;
mod prompt;

use std::process::ExitCode;

use clap::Parser;

use commands::Command;

/// Logs in at a Mezite gateway and reaches nodes through it.
///
/// Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 not found, 5 conflict, 6 unreachable; `ssh` exits with the remote
/// status, and with 255 where it cannot.
#[derive(Debug, Parser)]
#[command(name = "msh", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments: Arguments = match mezite_console::arguments("msh") {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    match arguments.command.run() {
        Ok(code) => code,
        Err(error) => error.report("msh"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
