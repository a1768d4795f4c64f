//! The recorder: one thread that writes all recordings, and the taps through which sessions reach it.
//!
//! What a session has queued is counted. A strict session may go on only while its own queue and that of all sessions
//! have room, and ends when they have not moved for too long or its file cannot be written.

mod queue;
mod tap;
mod thread;

pub use tap::RecordingTap;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::Instant;

use mezite_access::{ExecLimit, RecordMode};
use mezite_actors::reply;
use mezite_recording::{Archive, Header, Recovery, WriteError};
use thiserror::Error;

use queue::{Queue, Total};
use thread::{Command, Scribe};

/// Why a session is not recorded.
#[derive(Debug, Error)]
pub enum RecorderError {
    /// Its file cannot be made.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The recorder is gone.
    #[error("the recorder has stopped")]
    Gone,
}

/// The way to the recorder. A clone is the same recorder.
#[derive(Clone)]
pub struct Recorder {
    commands: Sender<Command>,
    total: Arc<Total>,
    archive: Archive,
}

/// How a session is to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// What happens when it cannot be.
    pub mode: RecordMode,
    /// How much of the output, where not all of it counts.
    pub limit: Option<ExecLimit>,
    /// The client's channel number.
    pub channel: u32,
}

impl Recorder {
    /// Opens the folder, closes what a crash has left open, and starts the thread. Blocks.
    pub fn start(root: &Path) -> io::Result<(Self, Vec<Recovery>)> {
        let archive = Archive::open(root)?;
        let recovered = archive.recover()?;
        let (commands, inbox) = mpsc::channel();
        let scribe = Scribe::new(archive.clone())?;
        std::thread::Builder::new().name("recorder".into()).spawn(move || scribe.run(&inbox))?;
        Ok((Self { commands, total: Arc::default(), archive }, recovered))
    }

    /// The recordings, to list and read.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Begins the recording of a session: its file is there when this answers.
    ///
    /// # Errors
    /// There is no file. Whether the session may go on without is for the caller to say.
    pub async fn open(&self, header: Header, terms: Terms) -> Result<RecordingTap, RecorderError> {
        let queue = Queue::new(self.total.clone());
        let session = header.session;
        let (answer_to, answer) = reply();
        let opening = Command::Open { header: Box::new(header), queue: queue.clone(), reply: answer_to };
        self.commands.send(opening).map_err(|_| RecorderError::Gone)?;
        answer.await.map_err(|_| RecorderError::Gone)??;
        Ok(RecordingTap::new(self.commands.clone(), session, queue, terms, Instant::now()))
    }
}
