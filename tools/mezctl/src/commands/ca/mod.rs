//! `mezctl ca`

mod rotate;
mod status;

use clap::{Subcommand, ValueEnum};
use mezite_api::certificate::CaType;
use mezite_api::client::Client;
use mezite_console::CommandError;

/// What to do with the certificate authorities.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show where the rotation of each stands, and who follows it.
    Status(status::Status),
    /// Replace the key of one, step by step.
    Rotate(rotate::Rotate),
}

/// The CAs by what they sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Ca {
    /// Certificates of people and bots.
    User,
    /// Certificates for the gateway's connections to nodes.
    Openssh,
    /// Host certificates.
    Host,
    /// X.509.
    Tls,
}

impl Ca {
    /// The three that can be rotated.
    const ROTATING: [Self; 3] = [Self::User, Self::Openssh, Self::Host];

    /// As the API names it; the TLS CA cannot be rotated.
    fn rotating(self) -> Result<CaType, CommandError> {
        match self {
            Self::User => Ok(CaType::User),
            Self::Openssh => Ok(CaType::OpenSsh),
            Self::Host => Ok(CaType::Host),
            Self::Tls => Err(CommandError::usage(
                "the TLS CA cannot be rotated yet: clients have pinned its key. --type is user, openssh or host",
            )),
        }
    }
}

impl Verb {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        match self {
            Self::Status(status) => status.run(client),
            Self::Rotate(rotate) => rotate.run(client),
        }
    }
}
