//! A recording that is being made: a file that is made once, never opened again, and named as done when it is whole.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use crate::archive::{Archive, RecordingPath};
use crate::encoder::{Encoder, Prelude};
use crate::{Codec, Footer, Frame, Size, WriteError};

/// Writes one recording. Calls block on the disk.
///
/// Times are the caller's, from one monotonic clock, as the time since the session began; one that steps back
/// counts as no time passed. Dropped without [`Writer::finish`], it leaves what a crash leaves.
pub struct Writer {
    archive: Archive,
    path: RecordingPath,
    encoder: Encoder<File>,
}

/// A recording that was closed.
#[derive(Clone, Debug)]
pub struct Closed {
    /// Where it is.
    pub path: RecordingPath,
    /// What it says about itself. Its state is `incomplete` when a block could not be written, now or earlier.
    pub footer: Footer,
    /// The last link of the chain: who keeps it elsewhere can tell any change to the file.
    pub digest: [u8; 32],
}

impl Writer {
    pub(crate) fn new(
        archive: Archive,
        path: RecordingPath,
        file: File,
        prelude: Prelude,
    ) -> Result<Self, WriteError> {
        Ok(Self { archive, path, encoder: Encoder::new(file, prelude)? })
    }

    /// Where the recording will be.
    pub const fn path(&self) -> &RecordingPath {
        &self.path
    }

    /// Takes a frame: it is on its way to the disk within 64 KiB of others, or 250 ms if [`Writer::tick`] is called
    /// when it is [`due`](Writer::due). After an error nothing more is taken ([`WriteError::Stopped`]).
    pub fn push(&mut self, codec: &mut Codec, frame: Frame<'_>) -> Result<(), WriteError> {
        self.encoder.push(codec, frame)
    }

    /// The size of the terminal after a `window-change` to `cols` × `rows` (RFC 4254, section 6.7), to be pushed as
    /// [`Body::Resize`](crate::Body::Resize).
    pub fn resized(&mut self, cols: u32, rows: u32) -> Size {
        self.encoder.resized(cols, rows)
    }

    /// When to call [`Writer::tick`] next, as the time since the session began; nothing while no frame waits.
    pub fn due(&self) -> Option<Duration> {
        self.encoder.due()
    }

    /// Tells the time: writes what has waited for 250 ms, and gives its memory back.
    pub fn tick(&mut self, codec: &mut Codec, now: Duration) -> Result<(), WriteError> {
        self.encoder.tick(codec, now)
    }

    /// Ends the recording at `now` because of `reason` (a word: `exit`, `peer_lost`, `lock` …): the footer is
    /// written, the file brought to disk and renamed.
    ///
    /// Works after a failure too: half a block is cut off, and the footer says `incomplete`. When even that fails,
    /// the file stays `.part` and is closed at the next start.
    pub fn finish(mut self, codec: &mut Codec, now: Duration, reason: &str) -> Result<Closed, WriteError> {
        if self.encoder.finish(codec, now).is_err() {
            let whole = self.encoder.whole();
            let file = self.encoder.output();
            file.set_len(whole)?;
            file.seek(SeekFrom::Start(whole))?;
        }
        let (footer, bytes, chain) = self.encoder.ending(reason)?;
        let file = self.encoder.output();
        file.write_all(&bytes)?;
        file.sync_all()?;
        self.archive.publish(&self.path)?;
        Ok(Closed { path: self.path, footer, digest: chain.0 })
    }
}
