//! Blocks: the unit that is compressed, hashed and written, and the chain that ties each to the one before.

use std::io;

use sha2::{Digest as _, Sha256};
use zstd::bulk::{Compressor, Decompressor};

/// The most bytes of frames in a block.
pub(crate) const MAX_BLOCK: usize = 64 * 1024;

/// The most bytes that a block takes once compressed: zstd's bound for [`MAX_BLOCK`].
pub(crate) const MAX_STORED: usize = MAX_BLOCK + MAX_BLOCK / 256 + 32;

/// Bytes before the content of a block: tag, stored length, raw length, chain.
pub(crate) const BLOCK_HEAD: usize = 4 + 4 + 4 + 32;

/// What zstd is told: fast, since it runs while the session waits.
const LEVEL: i32 = 1;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// Frames, compressed.
    Frames,
    /// The footer's JSON as it is.
    Footer,
}

impl Tag {
    const fn bytes(self) -> [u8; 4] {
        match self {
            Self::Frames => *b"BLCK",
            Self::Footer => *b"FOOT",
        }
    }

    fn parse(bytes: [u8; 4]) -> Option<Self> {
        [Self::Frames, Self::Footer].into_iter().find(|tag| tag.bytes() == bytes)
    }
}

/// SHA-256 over everything up to here: a link is the hash of the link before and of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain(pub(crate) [u8; 32]);

impl Chain {
    /// The first link: over everything before the first block.
    pub(crate) fn start(prelude: &[u8]) -> Self {
        Self(Sha256::digest(prelude).into())
    }

    /// The link of the block with this tag, lengths and content.
    fn next(self, fields: &[u8; 12], stored: &[u8]) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(fields).chain_update(stored).finalize().into())
    }
}

/// The head of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockHead {
    pub(crate) tag: Tag,
    /// Bytes that follow in the file.
    pub(crate) stored: usize,
    /// Bytes that these are once decompressed.
    pub(crate) raw: usize,
    fields: [u8; 12],
    chain: Chain,
}

impl BlockHead {
    /// The head of a block that holds `stored`, with its link of the chain.
    fn new(tag: Tag, raw: usize, stored: &[u8], before: Chain) -> Self {
        let length = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes();
        let mut fields = [0; 12];
        for (place, value) in fields.chunks_exact_mut(4).zip([tag.bytes(), length(stored.len()), length(raw)])
        {
            place.copy_from_slice(&value);
        }
        Self { tag, stored: stored.len(), raw, fields, chain: before.next(&fields, stored) }
    }

    /// The head in these bytes; nothing when it is none or its lengths are beyond the format's.
    pub(crate) fn decode(bytes: &[u8; BLOCK_HEAD]) -> Option<Self> {
        let (fields, chain) = bytes.split_first_chunk::<12>()?;
        let (tag, lengths) = fields.split_first_chunk::<4>()?;
        let (stored, raw) = lengths.split_first_chunk::<4>()?;
        let length = |bytes| usize::try_from(u32::from_be_bytes(bytes)).ok();
        let head = Self {
            tag: Tag::parse(*tag)?,
            stored: length(*stored)?,
            raw: length(raw.try_into().ok()?)?,
            fields: *fields,
            chain: Chain(chain.try_into().ok()?),
        };
        (head.stored <= MAX_STORED && head.raw <= MAX_BLOCK).then_some(head)
    }

    /// The head's bytes.
    pub(crate) fn encode(&self) -> [u8; BLOCK_HEAD] {
        let mut bytes = [0; BLOCK_HEAD];
        let (fields, chain) = bytes.split_at_mut(12);
        fields.copy_from_slice(&self.fields);
        chain.copy_from_slice(&self.chain.0);
        bytes
    }

    /// The block's link, if `stored` is what the head was made for and follows `before`.
    pub(crate) fn verify(&self, before: Chain, stored: &[u8]) -> Option<Chain> {
        (before.next(&self.fields, stored) == self.chain).then_some(self.chain)
    }
}

/// Compresses blocks: the part of a writer that is large (about half a megabyte) and holds nothing between two
/// calls, so that one serves every recording that a thread writes.
pub struct Codec {
    zstd: Compressor<'static>,
    /// A block as it goes to the file: head, then content.
    sealed: Vec<u8>,
}

impl Codec {
    /// A codec; its memory is set aside with the first block.
    pub fn new() -> io::Result<Self> {
        Ok(Self { zstd: Compressor::new(LEVEL)?, sealed: Vec::new() })
    }

    /// The block that holds the frames in `raw`: the bytes to write, and its link.
    pub(crate) fn seal(&mut self, raw: &[u8], before: Chain) -> io::Result<(&[u8], Chain)> {
        self.sealed.resize(BLOCK_HEAD + MAX_STORED, 0);
        let (head_place, content) = self.sealed.split_at_mut(BLOCK_HEAD);
        let length = self.zstd.compress_to_buffer(raw, content)?;
        let stored = content.get(..length).unwrap_or_default();
        let head = BlockHead::new(Tag::Frames, raw.len(), stored, before);
        head_place.copy_from_slice(&head.encode());
        Ok((self.sealed.get(..BLOCK_HEAD + length).unwrap_or_default(), head.chain))
    }
}

/// The block that holds a footer, and its link.
pub(crate) fn seal_footer(json: &[u8], before: Chain) -> (Vec<u8>, Chain) {
    let head = BlockHead::new(Tag::Footer, json.len(), json, before);
    ([&head.encode(), json].concat(), head.chain)
}

/// Decompresses `stored` into `raw`, which becomes exactly `length` bytes; false when it is not that.
pub(crate) fn unseal(
    zstd: &mut Decompressor<'static>,
    stored: &[u8],
    raw: &mut Vec<u8>,
    length: usize,
) -> bool {
    raw.resize(length, 0);
    // A slice bounds what comes out, whatever the content claims.
    zstd.decompress_to_buffer(stored, raw.as_mut_slice()).is_ok_and(|got| got == length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_the_one_of_zstd() {
        assert_eq!(MAX_STORED, zstd::zstd_safe::compress_bound(MAX_BLOCK));
    }
}
