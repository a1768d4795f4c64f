//! `mezctl auth export`

use clap::{Args, ValueEnum};
use mezite_api::certificate::CaType;
use mezite_api::client::Client;
use mezite_console::CommandError;
use mezite_console::output::print;

/// Prints the public keys of a CA, one a line; of the TLS CA its certificate.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Which CA.
    #[arg(long = "type", value_enum, value_name = "CA")]
    ca: Ca,
}

/// The CAs by what they sign.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Ca {
    /// User certificates.
    User,
    /// Certificates for the gateway's connections to nodes.
    Openssh,
    /// Host certificates.
    Host,
    /// X.509.
    Tls,
}

impl Export {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        print(&client.export_ca(match self.ca {
            Ca::User => CaType::User,
            Ca::Openssh => CaType::OpenSsh,
            Ca::Host => CaType::Host,
            Ca::Tls => CaType::Tls,
        })?)
    }
}
