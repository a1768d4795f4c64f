//! The API of the gateway, as whoever the certificates are for.

use std::path::Path;

use mezite_api::client::profile::IdentityFiles;
use mezite_api::client::{Client, CredentialsError, Server, Trust};
use mezite_console::{CommandError, Kind};

use crate::access::{self, Access};

/// The way to it. The gateway proves itself by the CA in the folder, else by the system's CAs.
pub(crate) fn client(access: &Access) -> Result<Client, CommandError> {
    // Says so where nobody has logged in, or the certificates have ended.
    access.open()?;
    let folder = access.folder()?;
    let server = server(&folder)?;
    let files = IdentityFiles::at(&folder);
    let unusable = |error: CredentialsError| {
        CommandError::new(Kind::Refused, error.to_string()).hint("log in with 'msh login'")
    };
    let credentials = files.credentials().map_err(unusable)?;
    let trust = if files.has_ca() { files.trust().map_err(unusable)? } else { Trust::System };
    Ok(Client::https(&server, trust, Some(credentials))?)
}

fn server(folder: &Path) -> Result<Server, CommandError> {
    let server = access::about(folder)?.server;
    server.parse().map_err(|invalid| CommandError::from(invalid).within(folder))
}
