//! A strict reader of the SSH data types (RFC 4251 section 5) that borrows from its input.
//!
//! `ssh-key` reads leniently where a nested string is longer than its content, and verifies what it has encoded anew.
//! Certificates are therefore taken apart here, and signatures checked over the bytes that came.

/// The input ended early or went on after the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// A `string`: a length and so many bytes.
    pub(crate) fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        let (string, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(string)
    }

    /// A `string` that is the whole input.
    pub(crate) fn only_string(bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let mut reader = Self::new(bytes);
        let string = reader.string()?;
        reader.finish()?;
        Ok(string)
    }

    /// Nothing may be left.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_there_and_nothing_beyond() {
        let bytes = [0, 0, 0, 2, b'h', b'i', 0, 0, 0, 9, b'x'];
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.string(), Ok(&b"hi"[..]));
        assert_eq!(reader.string(), Err(Malformed));
        assert_eq!(Reader::only_string(&bytes), Err(Malformed), "trailing bytes");
        assert_eq!(Reader::new(&[1, 2, 3]).u32(), Err(Malformed));
        assert_eq!(Reader::new(&[0xff; 4]).string(), Err(Malformed));
    }
}
