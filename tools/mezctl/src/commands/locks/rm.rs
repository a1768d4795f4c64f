//! `mezctl locks rm`

use clap::Args;
use mezite_api::Invalid;
use mezite_api::client::Client;
use mezite_console::CommandError;
use uuid::Uuid;

/// Removes a lock.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Its UUID.
    lock: String,
}

impl Rm {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let lock = Uuid::try_parse(&self.lock).map_err(|_| Invalid::new("lock", "must be a UUID"))?;
        client.remove_lock(lock)?;
        eprintln!("removed lock {lock}");
        Ok(())
    }
}
