//! `mezctl certs revoke`

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use clap::Args;
use mezite_api::client::Client;
use mezite_api::revocation::RevocationAdd;
use mezite_api::{Invalid, RevocationTarget, UserKey, UserName};
use mezite_console::{CommandError, files};

use crate::commands::auth::KEY_FILE_MAX;

/// Revokes: what it is about is refused from now on, and cut where it is connected.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    target: Target,
    /// Why, for other administrators.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// The certificate of this number, as 'ssh-keygen -L' and the audit log show it, with the one for the API that was
    /// issued with it.
    #[arg(long, value_name = "N")]
    serial: Option<String>,
    /// All certificates that a person or a bot has got until now; not those of later logins.
    #[arg(long)]
    user: Option<String>,
    /// All certificates for the public key in this file, for ever; - is stdin.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Revoke {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let request = RevocationAdd { target: self.target.read()?, reason: self.reason };
        request.check()?;
        let made = client.revoke(&request)?;
        let what = match &made.target {
            RevocationTarget::Serial(serial) => match &made.subject {
                Some(user) => format!("certificate {serial} of {user}"),
                None => format!("certificate {serial}, which is not in the newest part of the audit log"),
            },
            RevocationTarget::Key(key) => format!("key {}", key.fingerprint()),
            RevocationTarget::User(user) => {
                format!("all certificates of {user} up to now; {} of them valid", made.certificates)
            }
        };
        eprintln!("revoked {what} (revocation {})", made.id);
        Ok(())
    }
}

impl Target {
    fn read(self) -> Result<RevocationTarget, CommandError> {
        if let Some(serial) = &self.serial {
            let serial = serial.parse::<NonZeroU64>();
            let serial = serial.map_err(|_| Invalid::new("serial", "must be a number above zero"))?;
            return Ok(RevocationTarget::Serial(serial));
        }
        match (&self.user, &self.key_file) {
            (Some(user), _) => Ok(RevocationTarget::User(UserName::parse(user)?)),
            (None, Some(file)) => Ok(RevocationTarget::Key(key(file)?)),
            (None, None) => Err(CommandError::usage("--serial, --user or --key-file is missing")),
        }
    }
}

fn key(file: &Path) -> Result<UserKey, CommandError> {
    let key = UserKey::parse(&files::read(file, KEY_FILE_MAX)?);
    key.map_err(|invalid| CommandError::from(invalid).within(file))
}
