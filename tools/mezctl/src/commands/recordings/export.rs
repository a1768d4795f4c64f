//! `mezctl recordings export`

use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mezite_api::client::{Client, Purpose};
use mezite_console::CommandError;
use mezite_console::files;
use mezite_console::recording::{fetch, note};
use mezite_recording::export;

/// Writes a recording in another form.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The session's UUID.
    session: String,
    /// In which form.
    #[arg(long, value_enum)]
    format: Form,
    /// Where to; stdout when it is not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The forms of a recording.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// asciicast v2, for asciinema's players.
    Asciicast,
    /// The output as plain text.
    Text,
    /// Everything, a JSON object a line.
    Json,
}

impl Export {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let mut reader = fetch(client, &self.session, Purpose::Export)?;
        let mut write = |out: &mut dyn io::Write| {
            let mut out = BufWriter::new(out);
            let state = match self.format {
                Form::Asciicast => export::asciicast(&mut reader, &mut out)?,
                Form::Text => export::text(&mut reader, &mut out)?,
                Form::Json => export::json(&mut reader, &mut out)?,
            };
            out.flush()?;
            Ok::<_, CommandError>(state)
        };
        let state = match &self.out {
            Some(path) => files::write_with(path, write)?,
            None => write(&mut io::stdout().lock())?,
        };
        note(state);
        Ok(())
    }
}
