//! The wire format: message numbers, and the bounded reader and writer that everything is decoded and
//! encoded through (RFC 4251 section 5).

use crate::error::Misbehaviour;

/// Message numbers (RFC 4250 section 4.1.2, and OpenSSH's PROTOCOL for ping and pong).
pub mod msg {
    #![allow(missing_docs)]
    pub const DISCONNECT: u8 = 1;
    pub const IGNORE: u8 = 2;
    pub const UNIMPLEMENTED: u8 = 3;
    pub const DEBUG: u8 = 4;
    pub const SERVICE_REQUEST: u8 = 5;
    pub const SERVICE_ACCEPT: u8 = 6;
    pub const EXT_INFO: u8 = 7;
    pub const NEWCOMPRESS: u8 = 8;
    pub const KEXINIT: u8 = 20;
    pub const NEWKEYS: u8 = 21;
    pub const KEX_INIT: u8 = 30;
    pub const KEX_REPLY: u8 = 31;
    pub const USERAUTH_REQUEST: u8 = 50;
    pub const USERAUTH_FAILURE: u8 = 51;
    pub const USERAUTH_SUCCESS: u8 = 52;
    pub const USERAUTH_BANNER: u8 = 53;
    pub const USERAUTH_PK_OK: u8 = 60;
    pub const USERAUTH_INFO_REQUEST: u8 = 60;
    pub const USERAUTH_INFO_RESPONSE: u8 = 61;
    pub const GLOBAL_REQUEST: u8 = 80;
    pub const REQUEST_SUCCESS: u8 = 81;
    pub const REQUEST_FAILURE: u8 = 82;
    pub const CHANNEL_OPEN: u8 = 90;
    pub const CHANNEL_OPEN_CONFIRMATION: u8 = 91;
    pub const CHANNEL_OPEN_FAILURE: u8 = 92;
    pub const CHANNEL_WINDOW_ADJUST: u8 = 93;
    pub const CHANNEL_DATA: u8 = 94;
    pub const CHANNEL_EXTENDED_DATA: u8 = 95;
    pub const CHANNEL_EOF: u8 = 96;
    pub const CHANNEL_CLOSE: u8 = 97;
    pub const CHANNEL_REQUEST: u8 = 98;
    pub const CHANNEL_SUCCESS: u8 = 99;
    pub const CHANNEL_FAILURE: u8 = 100;
    pub const PING: u8 = 192;
    pub const PONG: u8 = 193;
}

/// A cursor over one payload; every read is checked against what is left.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes that have not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes as they are.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Misbehaviour> {
        let (head, tail) = self.rest.split_at_checked(count).ok_or(Misbehaviour::Malformed)?;
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Misbehaviour> {
        self.bytes(N)?.try_into().map_err(|_| Misbehaviour::Malformed)
    }

    /// `byte`
    pub fn u8(&mut self) -> Result<u8, Misbehaviour> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// `boolean`: any value but zero is true.
    pub fn bool(&mut self) -> Result<bool, Misbehaviour> {
        Ok(self.u8()? != 0)
    }

    /// `uint32`
    pub fn u32(&mut self) -> Result<u32, Misbehaviour> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// `string`: the content without its length.
    pub fn string(&mut self) -> Result<&'a [u8], Misbehaviour> {
        let length = self.u32()? as usize;
        self.bytes(length)
    }

    /// `string` that must be UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Misbehaviour> {
        std::str::from_utf8(self.string()?).map_err(|_| Misbehaviour::Malformed)
    }

    /// Refuses bytes that nothing asked for.
    pub fn end(&self) -> Result<(), Misbehaviour> {
        if self.rest.is_empty() { Ok(()) } else { Err(Misbehaviour::Malformed) }
    }
}

/// Appends wire types to a buffer.
pub trait Writer {
    /// Bytes as they are.
    fn raw(&mut self, bytes: &[u8]) -> &mut Self;

    /// `byte`
    fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }

    /// `boolean`
    fn bool(&mut self, value: bool) -> &mut Self {
        self.u8(u8::from(value))
    }

    /// `uint32`
    fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// `string`. What we write is far below 4 GiB; a longer one is cut off at that length.
    fn string(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.u32(length).raw(bytes)
    }
}

impl Writer for Vec<u8> {
    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.extend_from_slice(bytes);
        self
    }
}

/// Text from outside, made valid and cut to `max` bytes on a character boundary.
pub fn bounded_text(bytes: &[u8], max: usize) -> String {
    let mut text = String::from_utf8_lossy(bytes.get(..max).unwrap_or(bytes)).into_owned();
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_only_when_they_are_whole() {
        let mut bytes = Vec::new();
        bytes.string(b"abc").u32(7).bool(true);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.string(), Ok(&b"abc"[..]));
        assert_eq!(reader.u32(), Ok(7));
        assert_eq!(reader.bool(), Ok(true));
        assert_eq!(reader.end(), Ok(()));
        for cut in 0..7 {
            assert_eq!(Reader::new(&bytes[..cut]).string(), Err(Misbehaviour::Malformed));
        }
    }

    #[test]
    fn a_length_beyond_the_payload_is_malformed() {
        let mut reader = Reader::new(&[0xff, 0xff, 0xff, 0xff, 1]);
        assert_eq!(reader.string(), Err(Misbehaviour::Malformed));
    }

    #[test]
    fn text_is_cut_on_a_character_boundary() {
        assert_eq!(bounded_text("aäb".as_bytes(), 2), "a");
        assert_eq!(bounded_text(b"ok", 200), "ok");
    }
}
