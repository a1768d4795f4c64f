//! `mezctl users ls`

use clap::Args;
use mezite_api::client::Client;
use mezite_api::user::UserKind;
use mezite_console::CommandError;
use mezite_console::output::{Output, joined, local};

/// Lists the users.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    output: Output,
}

impl Ls {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let users = client.users()?;
        self.output.list(&users, &["NAME", "KIND", "ROLES", "LOGINS", "STATE", "CREATED"], |user| {
            let kind = match user.kind {
                UserKind::Person => "person",
                UserKind::Bot => "bot",
            };
            vec![
                user.name.to_string(),
                kind.to_owned(),
                joined(&user.roles),
                joined(&user.logins),
                if user.disabled { "disabled".into() } else { "enabled".into() },
                local(user.created),
            ]
        })
    }
}
