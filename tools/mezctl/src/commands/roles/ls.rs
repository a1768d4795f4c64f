//! `mezctl roles ls`

use clap::Args;
use mezite_api::client::{Client, ClientError};
use mezite_api::role::RoleDocument;
use mezite_console::CommandError;
use mezite_console::output::{Format, Output};
use serde_json::Value;

use crate::listing::{self, Listed};

/// Lists the roles: for programs the documents themselves.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    output: Output,
}

impl Ls {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let roles = RoleDocument::all(client)?;
        if self.output.format == Format::Text {
            return listing::show(self.output, &roles);
        }
        let documents: Vec<Value> = roles.into_iter().map(|role| role.document).collect();
        self.output.document(&documents)
    }
}

impl Listed for RoleDocument {
    const HEADINGS: &'static [&'static str] = &["NAME", "BUILT IN", "DESCRIPTION"];

    fn all(client: &Client) -> Result<Vec<Self>, ClientError> {
        client.roles()
    }

    fn row(&self) -> Vec<String> {
        let description = self.document.pointer("/metadata/description").and_then(Value::as_str);
        vec![
            self.name.to_string(),
            if self.built_in { "yes".into() } else { "no".into() },
            description.unwrap_or("-").to_owned(),
        ]
    }
}
