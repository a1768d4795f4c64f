//! The recordings that there are.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::fd::OwnedFd;

use jiff::Timestamp;
use rustix::fs::OFlags;
use serde::Serialize;

use crate::archive::{Archive, Entry, open_file};
use crate::block::{BLOCK_HEAD, BlockHead, Tag};
use crate::encoder::END;
use crate::footer::{Footer, MAX_FOOTER, State};
use crate::reader::{parse_footer, parse_trailer, read_prelude};
use crate::{Header, Kind, ReadError, RecordingPath, SessionId};

/// One line of `recordings ls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordingInfo {
    /// The session recorded.
    pub session: SessionId,
    /// Who was logged in. Empty, as all that the header tells, when that cannot be read.
    pub user: String,
    /// The local account on the node.
    pub login: String,
    /// The node's name.
    pub node: String,
    /// What was started.
    pub kind: Option<Kind>,
    /// When the session began.
    pub started: Option<Timestamp>,
    /// When it ended, if the recording was closed.
    pub ended: Option<Timestamp>,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Bytes of output recorded, if the recording was closed.
    pub output: Option<u64>,
    /// What the recording says of itself: `incomplete` while it is being made, `corrupt` when its header cannot be
    /// read. Only reading it whole verifies it.
    pub state: State,
    /// Where it is, below the folder of recordings.
    #[serde(skip)]
    pub path: RecordingPath,
}

impl Archive {
    /// All recordings by the time of their start. Of each only header and footer are read; one that cannot be read
    /// is listed as that.
    pub fn list(&self) -> io::Result<Vec<RecordingInfo>> {
        let mut recordings = Vec::new();
        for day in self.days()? {
            // A folder that went away meanwhile has no recordings.
            let Ok((folder, entries)) = self.entries(day) else { continue };
            for entry in entries {
                let info = match open_entry(&folder, entry) {
                    Ok((entry, file)) => inspect(entry, file),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    // A link or the like, or a disk that fails.
                    Err(_) => unreadable(entry, 0),
                };
                recordings.push(info);
            }
        }
        recordings.sort_by_key(|recording| (recording.started, recording.session));
        Ok(recordings)
    }
}

/// Opens an entry, under its other name if it was renamed since the folder was read.
fn open_entry(folder: &OwnedFd, entry: Entry) -> io::Result<(Entry, File)> {
    let open = |entry: Entry| open_file(folder, &entry.name(), OFlags::RDONLY).map(|file| (entry, file));
    match open(entry) {
        Err(error) if entry.part && error.kind() == io::ErrorKind::NotFound => {
            open(Entry { part: false, ..entry })
        }
        opened => opened,
    }
}

/// What is known of an entry by its name alone.
fn unreadable(entry: Entry, bytes: u64) -> RecordingInfo {
    RecordingInfo {
        session: entry.path.session(),
        user: String::new(),
        login: String::new(),
        node: String::new(),
        kind: None,
        started: None,
        ended: None,
        bytes,
        output: None,
        state: State::Corrupt { at: 0 },
        path: entry.path,
    }
}

fn inspect(entry: Entry, file: File) -> RecordingInfo {
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let mut info = unreadable(entry, bytes);
    let mut file = BufReader::with_capacity(1024, file);
    let Ok(header) = read_header(&mut file, info.session) else { return info };
    info.user = header.user;
    info.login = header.login;
    info.node = header.node;
    info.kind = Some(header.kind);
    info.started = Some(header.started);
    info.state = State::Incomplete;
    if !entry.part
        && let Ok(Some(footer)) = read_footer(&mut file, bytes)
    {
        info.ended = Some(footer.ended);
        info.output = Some(footer.totals.output);
        info.state = footer.state.into();
    }
    info
}

fn read_header(file: &mut BufReader<File>, session: SessionId) -> Result<Header, ReadError> {
    let (header, ..) = read_prelude(file)?;
    if header.session == session { Ok(header) } else { Err(ReadError::NotFound) }
}

/// The footer, found from the end of the file; nothing when there is none.
fn read_footer(file: &mut BufReader<File>, size: u64) -> io::Result<Option<Footer>> {
    let mut trailer = [0; 4 + END.len()];
    let Some(at) = size.checked_sub(trailer.len() as u64) else { return Ok(None) };
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut trailer)?;
    let Some(length) = parse_trailer(trailer).filter(|&length| length <= BLOCK_HEAD + MAX_FOOTER) else {
        return Ok(None);
    };
    let Some(at) = at.checked_sub(length as u64) else { return Ok(None) };
    file.seek(SeekFrom::Start(at))?;
    let mut block = vec![0; length];
    file.read_exact(&mut block)?;
    let Some((head, json)) = block.split_first_chunk() else { return Ok(None) };
    let footer =
        BlockHead::decode(head).is_some_and(|head| head.tag == Tag::Footer && head.stored == json.len());
    Ok(if footer { parse_footer(json) } else { None })
}
