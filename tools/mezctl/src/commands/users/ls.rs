//! The list of users.

use mezite_api::User;
use mezite_api::client::{Client, ClientError};
use mezite_api::user::UserKind;
use mezite_console::output::{joined, local};

use crate::listing::Listed;

impl Listed for User {
    const HEADINGS: &'static [&'static str] = &["NAME", "KIND", "ROLES", "LOGINS", "STATE", "CREATED"];

    fn all(client: &Client) -> Result<Vec<Self>, ClientError> {
        client.users()
    }

    fn row(&self) -> Vec<String> {
        let kind = match self.kind {
            UserKind::Person => "person",
            UserKind::Bot => "bot",
        };
        vec![
            self.name.to_string(),
            kind.to_owned(),
            joined(&self.roles),
            joined(&self.logins),
            if self.disabled { "disabled".into() } else { "enabled".into() },
            local(self.created),
        ]
    }
}
