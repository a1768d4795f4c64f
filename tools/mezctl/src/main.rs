//! `mezctl`: administers a gateway over its Unix socket.

mod commands;
mod error;
mod files;
mod output;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use mezite_api::client::Client;

use commands::Command;
use error::CommandError;

/// Administers a Mezite gateway.
///
/// Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 not found, 5 conflict, 6 unreachable.
#[derive(Debug, Parser)]
#[command(name = "mezctl", version, arg_required_else_help = true)]
struct Arguments {
    /// The gateway's socket: mezctl.sock in its data folder.
    #[arg(
        long,
        global = true,
        env = "MEZCTL_SOCKET",
        default_value = "/var/lib/mezite/mezctl.sock",
        hide_env_values = true,
        value_name = "PATH"
    )]
    socket: PathBuf,

    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    match arguments.command.run(&Client::unix(&arguments.socket)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

/// Help and version go to stdout with 0, mistakes to stderr with 2. `clap` quotes what it does not understand, so a
/// private key that was pasted without quotes gets a message of its own.
fn usage(error: &clap::Error) -> ExitCode {
    if !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
        && std::env::args_os().any(|argument| argument.to_string_lossy().contains("PRIVATE KEY"))
    {
        return CommandError::usage("there is a private key among the arguments; give the public one")
            .report();
    }
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
