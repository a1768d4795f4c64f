//! `mezctl nodes join-script`

use clap::Args;
use mezite_api::certificate::CaType;
use mezite_api::client::{Client, Server};
use mezite_console::CommandError;
use mezite_console::output::print;

/// The script, with places for the gateway's address and its CA.
const SCRIPT: &str = include_str!("join.sh");

/// Prints a shell script that joins a node which takes no program of ours. It needs sh, curl or GNU wget, and ssh-keygen
/// of OpenSSH 8.0 or newer; run it as root on the node with --help.
#[derive(Debug, Args)]
pub(crate) struct JoinScript {
    /// The gateway's HTTPS address, as the node reaches it.
    #[arg(long, value_name = "HOST[:PORT]")]
    gateway: String,
    /// The gateway has a certificate that the node's system trusts: do not put the cluster's TLS CA into the script.
    #[arg(long)]
    system_ca: bool,
}

impl JoinScript {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let server: Server = self.gateway.parse()?;
        let ca = if self.system_ca { String::new() } else { client.export_ca(CaType::Tls)? };
        print(&script(&server, &ca)?)
    }
}

/// Both are of grammars without quotes: a host with a port, and PEM.
fn script(server: &Server, ca: &str) -> Result<String, CommandError> {
    let server = server.to_string();
    let plain = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    if !plain(&server, ".-:[]") || !plain(ca, "+/=- \n") {
        return Err(CommandError::usage("the gateway's address or CA cannot stand in a script"));
    }
    Ok(SCRIPT.replace("@GATEWAY@", &server).replace("@TLS_CA@", ca.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_041_nothing_that_ends_a_quote_gets_into_the_script() {
        let server: Server = "gateway.example.com".parse().unwrap();
        let text = script(&server, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(text.contains("gateway='gateway.example.com:3025'") && !text.contains("@TLS_CA@"));
        for ca in ["'", "$(id)", "`id`", "\"", "\\", "\r"] {
            script(&server, ca).unwrap_err();
        }
    }
}
