//! What `mezctl` and `msh` share: what goes to stdout, how an error reads and which exit code it has, files that the
//! user names, recordings, tokens.

pub mod error;
pub mod files;
pub mod output;
pub mod recording;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

pub use error::{CommandError, Kind};
pub use output::Output;

/// The arguments of this process, or the exit code after it has been said what is wrong with them. Help and version go
/// to stdout with 0, mistakes to stderr with 2. `clap` quotes what it does not understand, so a private key that was
/// pasted without quotes gets a message of its own.
pub fn arguments<T: Parser>(program: &str) -> Result<T, ExitCode> {
    T::try_parse().map_err(|refused| {
        let asked = matches!(refused.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        if !asked && std::env::args_os().any(|given| given.to_string_lossy().contains("PRIVATE KEY")) {
            let why = "there is a private key among the arguments; give the public one";
            return CommandError::usage(why).report(program);
        }
        if std::env::args_os().any(|given| given.to_string_lossy().contains(mezite_api::is_deceptive)) {
            eprint!("{}", error::printable(&refused.to_string()));
        } else {
            let _ = refused.print();
        }
        ExitCode::from(u8::try_from(refused.exit_code()).unwrap_or(2))
    })
}
