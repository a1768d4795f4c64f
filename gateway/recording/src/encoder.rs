//! The bytes of a recording, in the order in which they are written: prelude, blocks, footer, trailer.

use std::io::{self, Write};
use std::time::Duration;

use jiff::Timestamp;

use crate::block::{Chain, Codec, MAX_BLOCK, seal_footer};
use crate::footer::{Closing, Footer, Totals};
use crate::frame::{FRAME_HEAD, totals};
use crate::header::MAX_HEADER;
use crate::{Body, Frame, Header, Size, WriteError};

/// How a recording begins. The first byte is no text in any encoding, so that none is mistaken for a recording.
pub(crate) const MAGIC: [u8; 8] = *b"\x89MEZREC\n";

/// The version of the format that is written here.
pub(crate) const VERSION: u16 = 1;

/// How a whole recording ends, after the length of its last block: so the footer is found from the end.
pub(crate) const END: [u8; 8] = *b"MEZREND\n";

/// How long frames wait for their block to fill.
const MAX_WAIT: Duration = Duration::from_millis(250);

/// Everything before the first block.
pub(crate) struct Prelude {
    bytes: Vec<u8>,
    chain: Chain,
    started: Timestamp,
    size: Size,
}

impl Prelude {
    /// The prelude with this header.
    pub(crate) fn new(header: &Header) -> Result<Self, WriteError> {
        let json = serde_json::to_vec(header).map_err(io::Error::from)?;
        let length = u32::try_from(json.len()).unwrap_or(u32::MAX);
        if json.len() > MAX_HEADER {
            return Err(WriteError::HeaderTooLong(json.len()));
        }
        let mut bytes = [&MAGIC[..], &VERSION.to_be_bytes(), &length.to_be_bytes(), &json].concat();
        let chain = Chain::start(&bytes);
        bytes.extend_from_slice(&chain.0);
        let size = header.pty.as_ref().map_or(Size::DEFAULT, |pty| pty.size);
        Ok(Self { bytes, chain, started: header.started, size })
    }

    /// Its bytes and the first link.
    #[cfg(test)]
    pub(crate) fn into_parts(self) -> (Vec<u8>, Chain) {
        (self.bytes, self.chain)
    }
}

/// Everything after the last block, and the last link of the chain.
pub(crate) fn ending(footer: &Footer, before: Chain) -> io::Result<(Vec<u8>, Chain)> {
    let (mut bytes, chain) = seal_footer(&serde_json::to_vec(footer)?, before);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&END);
    Ok((bytes, chain))
}

/// Turns frames into a recording. Between two blocks it holds no memory but its own fields.
pub(crate) struct Encoder<W> {
    out: W,
    started: Timestamp,
    /// Frames that wait to be written.
    block: Vec<u8>,
    /// The time of the first of them.
    block_since: Duration,
    /// The time of the last frame.
    now: Duration,
    size: Size,
    chain: Chain,
    totals: Totals,
    /// Bytes of `out` up to the end of the last block that was written whole.
    whole: u64,
    failed: bool,
}

impl<W: Write> Encoder<W> {
    /// Writes everything that comes before the first block.
    pub(crate) fn new(mut out: W, prelude: Prelude) -> Result<Self, WriteError> {
        let Prelude { bytes, chain, started, size } = prelude;
        out.write_all(&bytes)?;
        Ok(Self {
            out,
            started,
            block: Vec::new(),
            block_since: Duration::ZERO,
            now: Duration::ZERO,
            size,
            chain,
            totals: Totals::default(),
            whole: bytes.len() as u64,
            failed: false,
        })
    }

    /// Takes a frame. Its time never falls behind that of the frame before.
    pub(crate) fn push(&mut self, codec: &mut Codec, frame: Frame<'_>) -> Result<(), WriteError> {
        self.tick(codec, frame.at)?;
        match frame.body {
            Body::Stdout(data) => self.push_output(codec, frame.channel, data, Body::Stdout),
            Body::Stderr(data) => self.push_output(codec, frame.channel, data, Body::Stderr),
            body => {
                if self.block.len() + FRAME_HEAD + body.payload_bound() > MAX_BLOCK {
                    self.flush(codec)?;
                }
                self.append(frame.channel, body);
                Ok(())
            }
        }
    }

    /// Takes output of any length: each block is filled before the next is begun.
    fn push_output<'a>(
        &mut self,
        codec: &mut Codec,
        channel: u32,
        mut data: &'a [u8],
        body: fn(&'a [u8]) -> Body<'a>,
    ) -> Result<(), WriteError> {
        while !data.is_empty() {
            let room = MAX_BLOCK.saturating_sub(self.block.len() + FRAME_HEAD);
            if room == 0 {
                self.flush(codec)?;
                continue;
            }
            let (part, rest) = data.split_at(room.min(data.len()));
            self.append(channel, body(part));
            data = rest;
        }
        Ok(())
    }

    fn append(&mut self, channel: u32, body: Body<'_>) {
        if self.block.is_empty() {
            self.block_since = self.now;
        }
        Frame { at: self.now, channel, body }.append(&mut self.block);
    }

    /// The size of the terminal after a change to `cols` × `rows` as the client announced it.
    pub(crate) fn resized(&mut self, cols: u32, rows: u32) -> Size {
        self.size = Size::clamped(cols, rows, self.size);
        self.size
    }

    /// When [`Self::tick`] has something to do; nothing while no frame waits.
    pub(crate) fn due(&self) -> Option<Duration> {
        (!self.block.is_empty()).then(|| self.block_since.saturating_add(MAX_WAIT))
    }

    /// Tells the time: writes the block whose frames have waited long enough, and gives its memory back.
    pub(crate) fn tick(&mut self, codec: &mut Codec, now: Duration) -> Result<(), WriteError> {
        if self.failed {
            return Err(WriteError::Stopped);
        }
        self.now = self.now.max(now);
        if self.due().is_some_and(|due| due <= self.now) {
            self.flush(codec)?;
            self.block = Vec::new();
        }
        Ok(())
    }

    /// Writes the frames that wait as a block. After a failure nothing more is written: there may be half a block.
    fn flush(&mut self, codec: &mut Codec) -> Result<(), WriteError> {
        let written = self.write_block(codec);
        self.block.clear();
        self.failed |= written.is_err();
        written
    }

    fn write_block(&mut self, codec: &mut Codec) -> Result<(), WriteError> {
        if self.block.is_empty() {
            return Ok(());
        }
        let (bytes, chain) = codec.seal(&self.block, self.chain)?;
        self.out.write_all(bytes)?;
        self.whole += bytes.len() as u64;
        self.chain = chain;
        self.totals.add(totals(&self.block).unwrap_or_default());
        Ok(())
    }

    /// Writes what waits. What follows is [`Self::ending`], after the output was cut back to [`Self::whole`] if
    /// this failed now or earlier.
    pub(crate) fn finish(&mut self, codec: &mut Codec, now: Duration) -> Result<(), WriteError> {
        self.tick(codec, now)?;
        self.flush(codec)
    }

    /// The footer of what was written, the bytes that end the recording, and the last link of the chain.
    pub(crate) fn ending(&self, reason: &str) -> io::Result<(Footer, Vec<u8>, Chain)> {
        let closing = if self.failed { Closing::Incomplete } else { Closing::Complete };
        let footer = Footer::new(closing, self.started, self.now, self.totals, reason);
        let (bytes, chain) = ending(&footer, self.chain)?;
        Ok((footer, bytes, chain))
    }

    /// Bytes written up to the end of the last whole block.
    pub(crate) const fn whole(&self) -> u64 {
        self.whole
    }

    /// What is written to.
    pub(crate) const fn output(&mut self) -> &mut W {
        &mut self.out
    }
}

#[cfg(test)]
mod tests;
