//! Which gateway to talk to, and as whom.

use std::path::PathBuf;

use clap::Args;
use mezite_api::CaPin;
use mezite_api::client::profile::{self, IdentityFiles};
use mezite_api::client::{Client, CredentialsError, Server, Trust};
use mezite_console::{CommandError, Kind};

/// The options that name the gateway.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
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
    /// A gateway somewhere else, in place of the socket.
    #[arg(long, global = true, env = "MEZCTL_SERVER", hide_env_values = true, value_name = "HOST[:PORT]")]
    server: Option<String>,
    /// The credentials for --server: a folder with `tls_cert.pem`, or PREFIX of PREFIX.crt; by default what 'msh login'
    /// has left for that server.
    #[arg(long, global = true, env = "MEZCTL_IDENTITY", hide_env_values = true, value_name = "DIR|PREFIX")]
    identity: Option<PathBuf>,
    /// The pin of the gateway's TLS CA, as 'mezctl status' prints it; by default the CA beside the credentials is
    /// trusted, else the CAs of this system.
    #[arg(long, global = true, env = "MEZITE_CA_PIN", hide_env_values = true, value_name = "sha256:HEX")]
    ca_pin: Option<String>,
}

impl Gateway {
    /// The way to it.
    pub(crate) fn client(&self) -> Result<Client, CommandError> {
        let Some(server) = &self.server else { return Ok(Client::unix(&self.socket)) };
        let server: Server = server.parse()?;
        let pin = self.ca_pin.as_deref().map(str::parse).transpose()?;
        let files = self.identity_files(&server);
        let trust = trust(files.as_ref(), pin)?;
        let credentials = files.as_ref().map(IdentityFiles::credentials).transpose();
        let credentials = credentials.map_err(|error| unusable(&error))?.ok_or_else(|| {
            CommandError::new(Kind::Refused, format!("there are no credentials for {server}"))
                .hint("log in with 'msh login', or pass --identity")
        })?;
        Ok(Client::https(&server, trust, Some(credentials))?)
    }

    fn identity_files(&self, server: &Server) -> Option<IdentityFiles> {
        if let Some(path) = &self.identity {
            return Some(IdentityFiles::at(path));
        }
        let folder = profile::folder(|name| std::env::var_os(name).map(PathBuf::from))?;
        let folder = profile::folder_of(&folder, server);
        folder.is_dir().then(|| IdentityFiles::at(&folder))
    }
}

/// Whom to believe: the pin, the CA beside the credentials, the system, in this order.
fn trust(files: Option<&IdentityFiles>, pin: Option<CaPin>) -> Result<Trust, CommandError> {
    match (files, pin) {
        (_, Some(pin)) => Ok(Trust::Pin(pin)),
        (Some(files), None) if files.has_ca() => files.trust().map_err(|error| unusable(&error)),
        (_, None) => Ok(Trust::System),
    }
}

fn unusable(error: &CredentialsError) -> CommandError {
    CommandError::usage(error.to_string())
}
