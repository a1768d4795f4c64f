//! `mezd`: the gateway, and what runs on other machines: identities, the way to a node for `ssh`.

mod gateway;
mod identity;
mod join;
mod logging;
mod process;
mod proxy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mezite_ca::TokenKind;
use mezite_identity::{HiddenBy, TokenArgument};

/// Usage errors, as everywhere.
const USAGE: u8 = 2;

/// How the token behind `flag` comes in.
const fn join_token(flag: &'static str, kind: TokenKind) -> TokenArgument {
    let variable = Some("MEZD_JOIN_TOKEN");
    TokenArgument { program: "mezd", flag, variable, kind, hidden_by: HiddenBy::Stdin }
}

#[derive(Parser)]
#[command(name = "mezd", version, about = "The Mezite SSH access gateway", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, at the start")]
enum Command {
    /// The SSH access gateway
    #[command(subcommand)]
    Gateway(gateway::Command),
    /// A machine identity: certificates that renew themselves
    #[command(subcommand)]
    Identity(identity::Command),
    /// Let this machine join a cluster
    #[command(subcommand)]
    Join(join::Command),
    /// The way to a node, as the proxy command of ssh
    Proxy(proxy::Proxy),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    logging::init();
    match arguments.command {
        Command::Gateway(command) => command.run(),
        Command::Identity(command) => command.run(),
        Command::Join(command) => command.run(),
        Command::Proxy(proxy) => proxy.run(),
    }
}

/// `clap` quotes what it does not understand, so a token in the wrong place gets a message of its own.
fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
    if !matches!(error.kind(), DisplayHelp | DisplayVersion)
        && std::env::args_os().any(|argument| argument.to_string_lossy().contains("tok-"))
    {
        eprintln!(
            "mezd: the command line cannot be read; it has a token in it and is not repeated. See --help"
        );
        return ExitCode::from(USAGE);
    }
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
}
