//! `mezctl users get`

use clap::Args;
use mezite_api::UserName;
use mezite_api::client::Client;
use mezite_api::user::UserKind;
use mezite_console::CommandError;
use mezite_console::output::{Output, joined, local};

/// Shows one user.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The name.
    user: String,
    #[command(flatten)]
    output: Output,
}

impl Get {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        self.output.one(&client.user(&UserName::parse(&self.user)?)?, |user| {
            let kind = match user.kind {
                UserKind::Person => "person",
                UserKind::Bot => "bot",
            };
            vec![
                ("name", user.name.to_string()),
                ("kind", kind.to_owned()),
                ("roles", joined(&user.roles)),
                ("logins", joined(&user.logins)),
                ("state", if user.disabled { "disabled".to_owned() } else { "enabled".to_owned() }),
                ("created", local(user.created)),
            ]
        })
    }
}
