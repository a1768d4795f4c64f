//! Recordings as they are fetched, shown and spoken of.

mod play;

use std::fs::File;
use std::io::{BufReader, Seek as _};

use mezite_api::Invalid;
use mezite_api::client::{Client, Purpose};
use mezite_recording::{PlayError, ReadError, Reader, State};
use uuid::Uuid;

use crate::error::{CommandError, Kind};

pub use play::Play;

/// Fetches a recording into a file without a name, and opens it.
pub fn fetch(
    client: &Client,
    session: &str,
    purpose: Purpose,
) -> Result<Reader<BufReader<File>>, CommandError> {
    let session = Uuid::try_parse(session).map_err(|_| Invalid::new("session", "must be a UUID"))?;
    let mut file = tempfile::tempfile()?;
    client.recording(session, purpose, &mut file)?;
    file.rewind()?;
    Ok(Reader::new(BufReader::new(file))?)
}

/// Says what is to be known of a recording that is not whole.
pub fn note(state: State) {
    match state {
        State::Complete => {}
        State::Recovered => eprintln!("note: cut off when the gateway ended; whole up to there"),
        State::Incomplete => {
            eprintln!("note: the recording has no end: it still runs, or a part was not written");
        }
        State::Corrupt { at } => {
            eprintln!("note: changed or damaged from byte {at} on; nothing after that was shown");
        }
    }
}

impl From<ReadError> for CommandError {
    fn from(error: ReadError) -> Self {
        Self::new(Kind::Failed, error.to_string())
    }
}

impl From<PlayError> for CommandError {
    fn from(error: PlayError) -> Self {
        match error {
            PlayError::Read(error) => error.into(),
            PlayError::Output(error) => error.into(),
            PlayError::Speed => Self::usage(error.to_string()),
        }
    }
}
