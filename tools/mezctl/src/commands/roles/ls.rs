//! `mezctl roles ls`

use clap::Args;
use mezite_api::client::Client;
use mezite_api::role::RoleDocument;
use mezite_console::CommandError;
use mezite_console::output::{Format, Output};
use serde_json::Value;

/// Lists the roles.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    output: Output,
}

impl Ls {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let roles = client.roles()?;
        if self.output.format == Format::Text {
            return self.output.list(&roles, &["NAME", "BUILT IN", "DESCRIPTION"], row);
        }
        let documents: Vec<Value> = roles.into_iter().map(|role| role.document).collect();
        self.output.document(&documents)
    }
}

fn row(role: &RoleDocument) -> Vec<String> {
    let description = role.document.pointer("/metadata/description").and_then(Value::as_str);
    vec![
        role.name.to_string(),
        if role.built_in { "yes".into() } else { "no".into() },
        description.unwrap_or("-").to_owned(),
    ]
}
