//! `mezctl auth sign`

use std::path::PathBuf;

use clap::Args;
use mezite_api::certificate::SignRequest;
use mezite_api::client::Client;
use mezite_api::{UserKey, UserName, duration};

use crate::error::CommandError;
use crate::files;
use crate::output::{joined, local, print};

/// Longest file with a public key, in bytes.
const KEY_FILE_MAX: u64 = 64 * 1024;

/// Signs a user's public key.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// For whom.
    #[arg(long)]
    user: String,
    /// The file with the public key, whose name ends in .pub; - is stdin.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// How long the certificate is valid: 30m, 8h, 2d; what the roles allow when it is not given.
    #[arg(long, value_name = "TIME")]
    ttl: Option<String>,
    /// Where to write the certificate, for ssh beside the key as KEY-cert.pub; stdout when it is not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Sign {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let ttl = self.ttl.as_deref().map(duration::parse).transpose();
        let key = UserKey::parse(&files::read(&self.key, KEY_FILE_MAX)?);
        let request = SignRequest {
            user: UserName::parse(&self.user)?,
            public_key: key.map_err(|invalid| CommandError::from(invalid).within(&self.key))?,
            ttl: ttl.map_err(|invalid| invalid.in_field("ttl"))?,
        };
        let signed = client.sign(&request)?;
        let line = format!("{}\n", signed.certificate.trim_end());
        match &self.out {
            Some(path) => files::write(path, line.as_bytes())?,
            None => print(&line)?,
        }
        if signed.ttl_cut {
            eprintln!("note: the roles of {} do not allow certificates that long", request.user);
        }
        let until = local(signed.valid_before);
        eprintln!("certificate {} for {}, valid until {until}", signed.serial, joined(&signed.principals));
        Ok(())
    }
}
