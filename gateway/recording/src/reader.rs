//! Reads a recording: frames as long as every block is whole and follows from the one before.

use std::io::Read;
use std::time::Duration;

use zstd::bulk::Decompressor;

use crate::block::{BLOCK_HEAD, BlockHead, Chain, Tag, unseal};
use crate::encoder::{END, MAGIC, VERSION};
use crate::footer::{Footer, MAX_FOOTER, State, Totals};
use crate::frame::totals;
use crate::header::MAX_HEADER;
use crate::{Frame, Header, ReadError, SessionId};

/// Reads a recording from its start, block by block, with memory for one block.
pub struct Reader<R> {
    input: R,
    zstd: Decompressor<'static>,
    header: Header,
    chain: Chain,
    /// Bytes of the input up to the end of the last block that was right.
    whole: u64,
    totals: Totals,
    /// The latest time of a frame so far.
    last: Duration,
    stored: Vec<u8>,
    block: Vec<u8>,
    /// Bytes of the block that were handed out.
    read: usize,
    footer: Option<Footer>,
    state: Option<State>,
}

/// What stands where a block may begin.
enum Next {
    /// A block of frames, now in `block`.
    Frames,
    /// The end, and what is to be believed of all.
    End(State),
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    pub fn new(mut input: R) -> Result<Self, ReadError> {
        let (header, chain, whole) = read_prelude(&mut input)?;
        Ok(Self {
            input,
            zstd: Decompressor::new()?,
            header,
            chain,
            whole,
            totals: Totals::default(),
            last: Duration::ZERO,
            stored: Vec::new(),
            block: Vec::new(),
            read: 0,
            footer: None,
            state: None,
        })
    }

    /// Reads the header of the recording that is named as that of `session`.
    pub(crate) fn of(input: R, session: SessionId) -> Result<Self, ReadError> {
        let reader = Self::new(input)?;
        if reader.header.session != session {
            return Err(ReadError::NotARecording("its header names another session than the file"));
        }
        Ok(reader)
    }

    /// What the recording says about its session.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The next frame; nothing after the last one that can be believed. Times never decrease.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, ReadError> {
        while self.read >= self.block.len() {
            if self.state.is_some() {
                return Ok(None);
            }
            if let Next::End(state) = self.next_block()? {
                self.block.clear();
                self.state = Some(state);
            }
            self.read = 0;
        }
        let rest = self.block.get(self.read..).unwrap_or_default();
        let Some((frame, rest)) = Frame::decode(rest) else { return Ok(None) };
        self.read = self.block.len() - rest.len();
        self.last = self.last.max(frame.at);
        Ok(Some(Frame { at: self.last, ..frame }))
    }

    /// What is to be believed of the recording: known once [`Reader::next_frame`] has answered nothing.
    pub const fn state(&self) -> Option<State> {
        self.state
    }

    /// The footer, once the end is reached and there is one.
    pub const fn footer(&self) -> Option<&Footer> {
        self.footer.as_ref()
    }

    /// Sums over the frames in the blocks that were read.
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// The time of the last frame.
    pub const fn duration(&self) -> Duration {
        self.last
    }

    /// The last link of the chain that was right, the footer's once the end is reached: the `digest` of
    /// [`Closed`](crate::Closed).
    pub const fn digest(&self) -> [u8; 32] {
        self.chain.0
    }

    /// Bytes of the input up to the end of the last block that was right.
    pub(crate) const fn whole(&self) -> u64 {
        self.whole
    }

    pub(crate) const fn chain(&self) -> Chain {
        self.chain
    }

    fn next_block(&mut self) -> Result<Next, ReadError> {
        let corrupt = Next::End(State::Corrupt { at: self.whole });
        let incomplete = Next::End(State::Incomplete);
        let mut head_bytes = [0; BLOCK_HEAD];
        if fill(&mut self.input, &mut head_bytes)? < BLOCK_HEAD {
            return Ok(incomplete);
        }
        let Some(head) = BlockHead::decode(&head_bytes) else {
            // A file system that lost power may have lengthened a file by zeros.
            let zeros = head_bytes.iter().all(|&byte| byte == 0) && only_zeros(&mut self.input)?;
            return Ok(if zeros { incomplete } else { corrupt });
        };
        self.stored.resize(head.stored, 0);
        if fill(&mut self.input, &mut self.stored)? < head.stored {
            return Ok(incomplete);
        }
        let Some(chain) = head.verify(self.chain, &self.stored) else { return Ok(corrupt) };
        if head.tag == Tag::Footer {
            return Ok(Next::End(self.end(chain)?.unwrap_or(State::Corrupt { at: self.whole })));
        }
        if !unseal(&mut self.zstd, &self.stored, &mut self.block, head.raw) {
            return Ok(corrupt);
        }
        let Some(totals) = totals(&self.block) else { return Ok(corrupt) };
        self.totals.add(totals);
        self.chain = chain;
        self.whole += (BLOCK_HEAD + head.stored) as u64;
        Ok(Next::Frames)
    }

    /// The state that the footer in `stored` gives; nothing when it does not fit what was read or what follows it.
    fn end(&mut self, chain: Chain) -> Result<Option<State>, ReadError> {
        let mut trailer = [0; 4 + END.len()];
        let got = fill(&mut self.input, &mut trailer)?;
        if got < trailer.len() {
            return Ok(Some(State::Incomplete));
        }
        let length = BLOCK_HEAD + self.stored.len();
        let Some(footer) = parse_footer(&self.stored) else { return Ok(None) };
        let more = fill(&mut self.input, &mut [0])? > 0;
        if more || parse_trailer(trailer) != Some(length) || footer.totals != self.totals {
            return Ok(None);
        }
        self.chain = chain;
        self.whole += (length + trailer.len()) as u64;
        let state = footer.state.into();
        self.footer = Some(footer);
        Ok(Some(state))
    }
}

/// Reads everything before the first block: the header, the first link of the chain, how many bytes these are.
pub(crate) fn read_prelude(input: &mut impl Read) -> Result<(Header, Chain, u64), ReadError> {
    const FIXED: usize = MAGIC.len() + 2 + 4;
    let short = ReadError::NotARecording("it ends within its header");
    let mut bytes = vec![0; FIXED];
    let got = fill(input, &mut bytes)?;
    let (Some((magic, rest)), true) = (bytes.split_first_chunk::<8>(), got == FIXED) else {
        return Err(short);
    };
    if *magic != MAGIC {
        return Err(ReadError::NotARecording("it does not begin like one"));
    }
    let Some((version, length)) = rest.split_first_chunk() else { return Err(short) };
    let version = u16::from_be_bytes(*version);
    if version != VERSION {
        return Err(ReadError::UnknownVersion(version));
    }
    let length = length.try_into().map_or(usize::MAX, |length| u32::from_be_bytes(length) as usize);
    if length > MAX_HEADER {
        return Err(ReadError::NotARecording("its header is longer than the format admits"));
    }
    let mut chain = [0; 32];
    bytes.resize(FIXED + length, 0);
    let json = bytes.get_mut(FIXED..).unwrap_or_default();
    if fill(input, json)? < length || fill(input, &mut chain)? < chain.len() {
        return Err(short);
    }
    if Chain::start(&bytes).0 != chain {
        return Err(ReadError::NotARecording("its header is damaged"));
    }
    let header = serde_json::from_slice(bytes.get(FIXED..).unwrap_or_default())
        .map_err(|_| ReadError::NotARecording("its header is malformed"))?;
    Ok((header, Chain(chain), (bytes.len() + chain.len()) as u64))
}

/// The footer in these bytes, if they are one.
pub(crate) fn parse_footer(json: &[u8]) -> Option<Footer> {
    if json.len() > MAX_FOOTER {
        return None;
    }
    serde_json::from_slice(json).ok()
}

/// The length of the last block as the trailer tells it; nothing when it is no trailer.
pub(crate) fn parse_trailer(bytes: [u8; 4 + END.len()]) -> Option<usize> {
    let (length, end) = bytes.split_first_chunk()?;
    (end == END).then_some(u32::from_be_bytes(*length) as usize)
}

/// Reads until `buffer` is full or the input ends; how many bytes there were.
pub(crate) fn fill(input: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Whether nothing but zeros follows.
fn only_zeros(input: &mut impl Read) -> std::io::Result<bool> {
    let mut buffer = [0; 4096];
    loop {
        let got = fill(input, &mut buffer)?;
        if buffer.iter().take(got).any(|&byte| byte != 0) {
            return Ok(false);
        }
        if got < buffer.len() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests;
