//! What can go wrong, by fault.

use std::io;

use crate::SessionId;

/// A recording cannot be made or continued.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file system or the quota is full. Space may come back: a new recording may be tried.
    #[error("no space left for recordings")]
    Full(#[source] io::Error),
    /// The disk fails, or refuses.
    #[error("cannot write the recording")]
    Io(#[source] io::Error),
    /// A link or a foreign file stands where a folder or file of the recordings belongs. It was not followed.
    #[error("a link or a foreign file stands in the recordings folder")]
    Foreign(#[source] io::Error),
    /// The session has a recording; no recording is ever opened again.
    #[error("session {0} has a recording already")]
    Exists(SessionId),
    /// The caller's header is longer than the format admits.
    #[error("the header of a recording takes {0} bytes, more than the format admits")]
    HeaderTooLong(usize),
    /// An earlier write failed; nothing is recorded any more.
    #[error("the recording has stopped at an earlier failure")]
    Stopped,
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        use rustix::io::Errno;
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full(error)
            }
            // What `O_NOFOLLOW` and `O_DIRECTORY` answer to something else than a file or folder.
            _ if [Errno::LOOP, Errno::NOTDIR]
                .map(Errno::raw_os_error)
                .map(Some)
                .contains(&error.raw_os_error()) =>
            {
                Self::Foreign(error)
            }
            _ => Self::Io(error),
        }
    }
}

impl From<rustix::io::Errno> for WriteError {
    fn from(errno: rustix::io::Errno) -> Self {
        io::Error::from(errno).into()
    }
}

/// A recording cannot be read at all. Damage behind the header is no error but a [`State`](crate::State).
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no recording of that session.
    #[error("no such recording")]
    NotFound,
    /// The file is no recording, or its header is damaged.
    #[error("not a recording: {0}")]
    NotARecording(&'static str),
    /// The recording was made by a newer gateway.
    #[error("the recording has format version {0}, which is newer than this program")]
    UnknownVersion(u16),
    /// The file cannot be read.
    #[error("cannot read the recording")]
    Io(#[from] io::Error),
}

impl From<rustix::io::Errno> for ReadError {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}

/// A recording cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The recording cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What it is shown on cannot be written.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
    /// The speed asked for is not a number above zero.
    #[error("the speed must be a number above 0")]
    Speed,
}
