//! The gateway: who is believed to be it, and how its refusals read here.

use std::path::Path;

use mezite_api::CaPin;
use mezite_api::client::profile::{IdentityFiles, TLS_CA};
use mezite_api::client::{Client, ClientError, Server, Trust};
use mezite_console::{CommandError, Kind};

/// How often a call whose answer was lost is made once more. It is the same request each time.
const REPEATS: usize = 1;

/// A way to a gateway that proves itself first: by the pin, else by the CA in the folder, else by the system's CAs.
pub(crate) fn client(
    server: &Server,
    pin: Option<CaPin>,
    folder: Option<&Path>,
) -> Result<Client, CommandError> {
    let trust = match (pin, folder) {
        (Some(pin), _) => Trust::Pin(pin),
        (None, Some(folder)) if folder.join(TLS_CA).exists() => {
            IdentityFiles::at(folder).trust().map_err(|error| CommandError::usage(error.to_string()))?
        }
        (None, _) => Trust::System,
    };
    Client::https(server, trust, None).map_err(|error| untrusted(error.to_string()))
}

/// Calls; once more where the answer was lost.
pub(crate) fn call<T>(work: impl Fn() -> Result<T, ClientError>) -> Result<T, CommandError> {
    let mut left = REPEATS;
    loop {
        match work() {
            Err(ClientError::Unreachable { .. } | ClientError::TimedOut { .. }) if left > 0 => left -= 1,
            Err(error @ ClientError::Untrusted { .. }) => return Err(untrusted(error.to_string())),
            other => return Ok(other?),
        }
    }
}

/// Exit code 4, as with `mezd identity`.
pub(crate) fn untrusted(why: String) -> CommandError {
    CommandError::new(Kind::NotFound, why).hint(
        "pass the gateway's pin with --ca-pin or MEZITE_CA_PIN; 'mezctl status' on the gateway prints it",
    )
}
