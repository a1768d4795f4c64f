//! `mezd`: the gateway.

mod gateway;
mod logging;
mod process;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Usage errors, as everywhere.
const USAGE: u8 = 2;

#[derive(Parser)]
#[command(name = "mezd", version, about = "The Mezite SSH access gateway", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The SSH access gateway
    #[command(subcommand)]
    Gateway(gateway::Command),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE));
        }
    };
    logging::init();
    match arguments.command {
        Command::Gateway(command) => command.run(),
    }
}
