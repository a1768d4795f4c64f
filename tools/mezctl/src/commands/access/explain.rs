//! `mezctl access explain`

use clap::Args;
use mezite_api::client::Client;
use mezite_api::explain::Explanation;
use mezite_api::{RoleName, Target, UserName, escape};
use mezite_console::output::{Format, Output, dash, print, table};
use mezite_console::{CommandError, Kind};

/// Says what would be decided now, and which role and field it comes from. Exit code 0: allowed, 3: denied.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Who.
    user: String,
    /// LOGIN@NODE.
    target: String,
    #[command(flatten)]
    output: Output,
}

impl Explain {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let explanation = client.explain(&UserName::parse(&self.user)?, &Target::parse(&self.target)?)?;
        if self.output.format == Format::Text {
            print(&text(&explanation))?;
        } else {
            self.output.document(&explanation)?;
        }
        if explanation.allowed { Ok(()) } else { Err(CommandError::silent(Kind::Refused)) }
    }
}

fn text(explanation: &Explanation) -> String {
    let rows = explanation.trace.iter().map(|step| {
        let role = step.role.as_ref().map_or_else(dash, RoleName::to_string);
        vec![step.outcome.clone(), role, step.field.clone()]
    });
    let steps = table(&["OUTCOME", "ROLE", "FIELD"], rows);
    format!("{}\n\n{steps}", escape(&explanation.summary))
}
