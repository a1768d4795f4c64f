//! One module a command.

mod config;
mod login;
mod logout;
mod ls;
mod play;
mod proxy;
mod scp;
mod setup;
mod ssh;
mod status;

use std::process::ExitCode;

use clap::Subcommand;
use mezite_api::CaPin;
use mezite_console::CommandError;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Set password and second factor up, with the line that an administrator gave.
    Setup(setup::Setup),
    /// Get certificates with password and code.
    Login(Box<login::Login>),
    /// Forget the certificates and their keys.
    Logout(logout::Logout),
    /// Show who is logged in, and until when; exits with 1 when that is over.
    Status(status::Status),
    /// List the nodes that you can reach.
    Ls(ls::Ls),
    /// Run ssh on a node.
    Ssh(Box<ssh::Ssh>),
    /// Copy files from or to a node.
    Scp(scp::Scp),
    /// Work with files on a node.
    Sftp(scp::Sftp),
    /// Print a block for ~/.ssh/config.
    Config(config::Config),
    /// Open ways to nodes for other programs.
    #[command(subcommand)]
    Proxy(proxy::Proxy),
    /// Show a recorded session.
    Play(play::PlaySession),
}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode, CommandError> {
        match self {
            Self::Setup(setup) => setup.run(),
            Self::Login(login) => login.run(),
            Self::Logout(logout) => logout.run(),
            Self::Status(status) => status.run(),
            Self::Ls(ls) => ls.run(),
            Self::Ssh(ssh) => Ok(ssh.run()),
            Self::Scp(scp) => scp.run(),
            Self::Sftp(sftp) => sftp.run(),
            Self::Config(config) => config.run(),
            Self::Proxy(proxy) => proxy.run(),
            Self::Play(play) => play.run(),
        }
    }
}

/// What identities and people get wrong in the same way.
fn usage(error: impl std::fmt::Display) -> CommandError {
    CommandError::usage(error.to_string())
}

/// The pin of the first of these certificates (PEM).
fn pin_of(tls_ca: &str) -> Result<String, CommandError> {
    let unreadable =
        || CommandError::new(mezite_console::Kind::Failed, "the gateway's TLS CA cannot be read");
    CaPin::of_pem(tls_ca.as_bytes()).map(|pin| pin.to_string()).ok_or_else(unreadable)
}
