//! The list of bots.

use mezite_api::bot::Bot;
use mezite_api::client::{Client, ClientError};
use mezite_console::output::{joined, local};

use crate::listing::Listed;

impl Listed for Bot {
    const HEADINGS: &'static [&'static str] = &["NAME", "ROLES", "INSTANCES", "TOKEN", "STATE", "CREATED"];

    fn all(client: &Client) -> Result<Vec<Self>, ClientError> {
        client.bots()
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.name.to_string(),
            joined(&self.roles),
            self.instances.to_string(),
            super::token_state(self),
            super::state(self),
            local(self.created),
        ]
    }
}
