//! What a recording says about itself after the last frame, and the state that follows from it.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use crate::utf8::cut;

/// The longest footer, in bytes of JSON.
pub(crate) const MAX_FOOTER: usize = 4 * 1024;

/// The longest reason, in bytes.
const MAX_REASON: usize = 200;

/// The JSON at the end of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footer {
    /// How the recording was closed.
    pub state: Closing,
    /// When it was closed: the start and the duration.
    pub ended: Timestamp,
    /// How long the session took, in microseconds.
    pub duration: u64,
    /// What was recorded.
    #[serde(flatten)]
    pub totals: Totals,
    /// Why the session ended, in a word (`exit`, `peer_lost`, `lock` …).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a recording was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Closing {
    /// By its writer, with everything in it.
    Complete,
    /// By the gateway's next start, after its writer was killed.
    Recovered,
    /// By its writer, after a block could not be written.
    Incomplete,
}

/// Sums over the frames of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Blocks written.
    pub blocks: u64,
    /// Frames in them.
    pub frames: u64,
    /// Bytes of output in these (stdout and stderr).
    pub output: u64,
}

impl Totals {
    /// Adds what one block holds.
    pub(crate) fn add(&mut self, block: Self) {
        self.blocks = self.blocks.saturating_add(block.blocks);
        self.frames = self.frames.saturating_add(block.frames);
        self.output = self.output.saturating_add(block.output);
    }
}

impl Footer {
    /// The footer of a recording of `started` that took `duration`.
    pub(crate) fn new(
        state: Closing,
        started: Timestamp,
        duration: Duration,
        totals: Totals,
        reason: &str,
    ) -> Self {
        let reason = Some(cut(reason, MAX_REASON)).filter(|reason| !reason.is_empty());
        Self {
            state,
            // Past the end of the calendar there is only its last moment.
            ended: started.checked_add(duration).unwrap_or(Timestamp::MAX),
            duration: micros(duration),
            totals,
            reason: reason.map(str::to_owned),
        }
    }
}

/// What may be believed of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Whole: every block is chained to the footer.
    Complete,
    /// Cut off by a crash and closed at the next start: whole up to there.
    Recovered,
    /// No footer, or one that says that a part could not be written: whole up to its end.
    Incomplete,
    /// Changed or damaged: nothing from the block at this offset of the file on can be believed.
    Corrupt {
        /// In bytes from the start of the file.
        at: u64,
    },
}

impl State {
    /// The state in one word, as `recordings ls` shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Recovered => "recovered",
            Self::Incomplete => "incomplete",
            Self::Corrupt { .. } => "corrupt",
        }
    }
}

impl From<Closing> for State {
    fn from(closing: Closing) -> Self {
        match closing {
            Closing::Complete => Self::Complete,
            Closing::Recovered => Self::Recovered,
            Closing::Incomplete => Self::Incomplete,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Microseconds as the format stores them: what does not fit is the largest.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
