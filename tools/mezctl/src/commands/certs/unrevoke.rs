//! `mezctl certs unrevoke`

use clap::Args;
use mezite_api::Invalid;
use mezite_api::client::Client;
use mezite_console::CommandError;
use uuid::Uuid;

/// Takes a revocation back: what is still valid is believed again.
#[derive(Debug, Args)]
pub(crate) struct Unrevoke {
    /// Its UUID.
    revocation: String,
}

impl Unrevoke {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let id = Uuid::try_parse(&self.revocation);
        let id = id.map_err(|_| Invalid::new("revocation", "must be a UUID"))?;
        client.unrevoke(id)?;
        eprintln!("took revocation {id} back");
        Ok(())
    }
}
