//! `mezctl roles get`

use clap::Args;
use mezite_api::RoleName;
use mezite_api::client::Client;
use mezite_console::CommandError;
use mezite_console::output::{Format, Output};

/// Shows one role: the document itself.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Its name.
    role: String,
    #[command(flatten)]
    output: Output,
}

impl Get {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let role = client.role(&RoleName::parse(&self.role)?)?;
        // For people too YAML is the form in which roles are read and written.
        let format = if self.output.format == Format::Text { Format::Yaml } else { self.output.format };
        Output { format }.document(&role.document)
    }
}
