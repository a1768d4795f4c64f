//! The commands: one folder a noun, one file a verb.

mod access;
mod apply;
mod audit;
mod auth;
mod bots;
mod ca;
mod certs;
pub(crate) mod completion;
mod edit;
mod export;
mod get;
mod locks;
mod nodes;
mod recordings;
mod rm;
mod roles;
mod ssh_config;
mod status;
mod tokens;
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
    /// Join tokens.
    #[command(subcommand)]
    Tokens(tokens::Verb),
    /// Shutting out a user, a node, an address …
    #[command(subcommand)]
    Locks(locks::Verb),
    /// Certificates and the keys of the CAs.
    #[command(subcommand)]
    Auth(auth::Verb),
    /// The certificate authorities and their rotation.
    #[command(subcommand)]
    Ca(ca::Verb),
    /// Certificates and keys that are revoked.
    #[command(subcommand)]
    Certs(certs::Verb),
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
    /// Make what documents describe.
    Create(apply::Create),
    /// Make it so, whether it exists or not.
    Apply(apply::Apply),
    /// Show what there is, as documents.
    Get(get::Get),
    /// Change a document in your editor.
    Edit(edit::Edit),
    /// Remove what documents or names say.
    Rm(rm::Rm),
    /// Print the whole configuration.
    Export(export::Export),
    /// Complete commands in a shell.
    Completion(completion::Completion),
}

impl Command {
    pub(crate) fn run(self, client: &Client) -> Result<(), CommandError> {
        match self {
            Self::Nodes(verb) => verb.run(client),
            Self::Roles(verb) => verb.run(client),
            Self::Users(verb) => verb.run(client),
            Self::Bots(verb) => verb.run(client),
            Self::Tokens(verb) => verb.run(client),
            Self::Locks(verb) => verb.run(client),
            Self::Auth(verb) => verb.run(client),
            Self::Ca(verb) => verb.run(client),
            Self::Certs(verb) => verb.run(client),
            Self::Access(verb) => verb.run(client),
            Self::Audit(verb) => verb.run(client),
            Self::Recordings(verb) => verb.run(client),
            Self::SshConfig(config) => config.run(client),
            Self::Status(status) => status.run(client),
            Self::Create(create) => create.run(client),
            Self::Apply(apply) => apply.run(client),
            Self::Get(get) => get.run(client),
            Self::Edit(edit) => edit.run(client),
            Self::Rm(rm) => rm.run(client),
            Self::Export(export) => export.run(client),
            Self::Completion(completion) => completion.run(crate::command()),
        }
    }
}
