//! What `mezd identity start` is told.

use std::path::PathBuf;
use std::time::Duration;

use mezite_api::CaPin;
use mezite_api::client::Server;

use crate::destination::Names;
use crate::{Admission, IdentityError, KeyType};

/// Checked settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where certificates come from.
    pub auth_server: Server,
    /// What to join with, for a first pair.
    pub admission: Option<Admission>,
    /// The pin of the gateway's TLS CA.
    pub ca_pin: Option<CaPin>,
    /// Where the files go.
    pub destination: PathBuf,
    /// How often to renew; a third of the certificates' life when it is not said.
    pub renewal_interval: Option<Duration>,
    /// The kind of key.
    pub key_type: KeyType,
    /// How long a key is kept over renewals.
    pub key_lifetime: Duration,
    /// A command to run after each swap, by `sh -c`.
    pub on_renew: Option<String>,
    /// How long that may take.
    pub hook_limit: Duration,
    /// Links or files.
    pub names: Names,
    /// This program, for `ProxyCommand` in `ssh_config`.
    pub program: PathBuf,
}

/// How long `--on-renew` may take.
pub const HOOK_LIMIT: Duration = Duration::from_mins(1);

/// How long a key is kept where nothing is said.
pub const DEFAULT_KEY_LIFETIME: Duration = Duration::from_hours(24);

impl Settings {
    /// Checks what the fields alone cannot.
    pub fn check(&self) -> Result<(), IdentityError> {
        let text = self.destination.to_str().ok_or("must be UTF-8");
        let text = text.and_then(|text| {
            let bad = text.chars().any(|c| c.is_control() || c == '"' || c == '\'' || c == '\\' || c == '$');
            if bad {
                Err("must have no quotes, backslashes, dollars or control characters")
            } else {
                Ok(text)
            }
        });
        match text {
            Ok(text) if !text.is_empty() => Ok(()),
            Ok(_) => Err(IdentityError::Usage("--destination must not be empty".to_owned())),
            Err(why) => {
                Err(IdentityError::Destination { path: self.destination.clone(), why: why.to_owned() })
            }
        }
    }
}
