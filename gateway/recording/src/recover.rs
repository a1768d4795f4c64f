//! Closes what a crash has left open.

use std::fs::File;
use std::io::{self, BufReader, Seek as _, SeekFrom, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::OFlags;

use crate::archive::{Archive, Entry, open_file, rename_new};
use crate::encoder::ending;
use crate::footer::{Closing, Footer};
use crate::{ReadError, Reader, RecordingPath};

/// Behind the name of a file that is no recording, so that it is not met again.
const DAMAGED_SUFFIX: &str = ".damaged";

/// What was done with one recording that a crash had left open.
#[derive(Debug)]
pub struct Recovery {
    /// Which recording, and so which session.
    pub path: RecordingPath,
    /// What was done.
    pub outcome: Outcome,
}

/// What was done.
#[derive(Debug)]
pub enum Outcome {
    /// Only its name was missing.
    Complete,
    /// It was cut to its last whole block and closed as `recovered`.
    Recovered {
        /// Bytes cut off. A crash leaves less than one block (66 KiB), or zeros; more is worth a question.
        cut: u64,
        /// The last link of the chain, as in [`Closed`](crate::Closed).
        digest: [u8; 32],
    },
    /// Not even its header is there: it was set aside under the name `….mezrec.part.damaged`.
    Damaged(ReadError),
    /// Nothing could be done, now; it is tried again at the next start. A link is never followed.
    Failed(io::Error),
}

impl Archive {
    /// Closes every recording that was left open. To be called at start, before any session begins: it takes each
    /// open recording for one whose writer is gone.
    ///
    /// What goes wrong with one recording is its outcome and concerns no other.
    pub fn recover(&self) -> io::Result<Vec<Recovery>> {
        let mut recoveries = Vec::new();
        for day in self.days()? {
            let (folder, entries) = self.entries(day)?;
            for entry in entries.into_iter().filter(|entry| entry.part) {
                let outcome = self.close(&folder, &entry).unwrap_or_else(Outcome::Failed);
                recoveries.push(Recovery { path: entry.path, outcome });
            }
        }
        Ok(recoveries)
    }

    fn close(&self, folder: &OwnedFd, entry: &Entry) -> io::Result<Outcome> {
        let file = open_file(folder, &entry.name(), OFlags::RDWR)?;
        let outcome = match close_file(file, entry) {
            Ok(outcome) => outcome,
            Err(ReadError::Io(error)) => return Err(error),
            Err(error) => {
                rename_new(folder, &entry.name(), &format!("{}{DAMAGED_SUFFIX}", entry.name()))?;
                return Ok(Outcome::Damaged(error));
            }
        };
        self.publish(&entry.path).map_err(io::Error::other)?;
        Ok(outcome)
    }
}

/// Makes the file a whole recording, on disk.
fn close_file(mut file: File, entry: &Entry) -> Result<Outcome, ReadError> {
    let mut reader = Reader::of(BufReader::new(&file), entry.path.session())?;
    while reader.next_frame()?.is_some() {}
    let whole = reader.whole();
    if reader.footer().is_some() {
        file.sync_all()?;
        return Ok(Outcome::Complete);
    }
    let (started, duration) = (reader.header().started, reader.duration());
    let footer = Footer::new(Closing::Recovered, started, duration, reader.totals(), "gateway_lost");
    let (bytes, chain) = ending(&footer, reader.chain())?;
    let cut = file.metadata()?.len().saturating_sub(whole);
    file.set_len(whole)?;
    file.seek(SeekFrom::Start(whole))?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    Ok(Outcome::Recovered { cut, digest: chain.0 })
}
