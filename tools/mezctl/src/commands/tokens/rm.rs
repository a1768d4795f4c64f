//! `mezctl tokens rm`

use clap::Args;
use mezite_api::client::Client;
use mezite_console::CommandError;
use uuid::Uuid;

/// Removes a token. What was made with it stays.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Its id, as 'tokens ls' shows it; not the token itself.
    id: String,
}

impl Rm {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        // What was given may be the token itself: it is not repeated.
        let id = Uuid::try_parse(&self.id);
        let id = id.map_err(|_| CommandError::usage("token: must be an id that 'mezctl tokens ls' shows"))?;
        client.remove_token(id)?;
        eprintln!("removed token {id}");
        Ok(())
    }
}
