//! The commands: one folder a noun, one file a verb.

mod access;
mod audit;
mod auth;
mod bots;
mod locks;
mod nodes;
mod recordings;
mod roles;
mod ssh_config;
mod status;
mod users;

use clap::Subcommand;
use mezite_api::client::Client;
use mezite_console::CommandError;

/// What to administer.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Machines that run their own sshd.
    #[command(subcommand)]
    Nodes(nodes::Verb),
    /// What users may do.
    #[command(subcommand)]
    Roles(roles::Verb),
    /// People and bots.
    #[command(subcommand)]
    Users(users::Verb),
    /// Machine identities.
    #[command(subcommand)]
    Bots(bots::Verb),
    /// Shutting out a user, a node, an address …
    #[command(subcommand)]
    Locks(locks::Verb),
    /// Certificates and the keys of the CAs.
    #[command(subcommand)]
    Auth(auth::Verb),
    /// Decisions.
    #[command(subcommand)]
    Access(access::Verb),
    /// What happened.
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Recorded sessions.
    #[command(subcommand)]
    Recordings(recordings::Verb),
    /// What stock ssh needs to know.
    SshConfig(ssh_config::SshConfig),
    /// The gateway's state.
    Status(status::Status),
}

impl Command {
    pub(crate) fn run(self, client: &Client) -> Result<(), CommandError> {
        match self {
            Self::Nodes(verb) => verb.run(client),
            Self::Roles(verb) => verb.run(client),
            Self::Users(verb) => verb.run(client),
            Self::Bots(verb) => verb.run(client),
            Self::Locks(verb) => verb.run(client),
            Self::Auth(verb) => verb.run(client),
            Self::Access(verb) => verb.run(client),
            Self::Audit(verb) => verb.run(client),
            Self::Recordings(verb) => verb.run(client),
            Self::SshConfig(config) => config.run(client),
            Self::Status(status) => status.run(client),
        }
    }
}
