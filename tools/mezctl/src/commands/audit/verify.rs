//! `mezctl audit verify`

use clap::Args;
use mezite_api::client::Client;
use mezite_console::output::Output;
use mezite_console::{CommandError, Kind};

/// Checks that no event was changed, removed, added, moved or cut off. Exit code 0: none was.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    output: Output,
}

impl Verify {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let report = client.verify_audit()?;
        self.output.one(&report, |report| {
            let verdict = match &report.fault {
                None => "the chain is whole".to_owned(),
                Some(fault) => format!("event {}: {}", fault.seq, fault.what),
            };
            vec![("checked", report.checked.to_string()), ("verdict", verdict)]
        })?;
        match &report.fault {
            None => Ok(()),
            Some(fault) => {
                let cause = format!("the audit log is not as it was written, from event {} on", fault.seq);
                Err(CommandError::new(Kind::Failed, cause))
            }
        }
    }
}
