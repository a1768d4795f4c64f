//! Identification lines (RFC 4253 section 4.2).

use crate::error::{Error, Misbehaviour};

/// Our line, without the line end. It names no version: that is nobody's business before authentication.
pub const OURS: &[u8] = b"SSH-2.0-Mezite";

/// Longest line that the RFC allows, with its end.
const MAX_LINE: usize = 255;
/// Lines, and bytes of them, that a server may send before its identification.
const MAX_EARLY_LINES: usize = 64;
const MAX_EARLY_BYTES: usize = 8 * 1024;

/// A peer's identification line without its end.
pub type Identification = Vec<u8>;

/// Reads the line of the peer out of a growing buffer.
#[derive(Debug, Default)]
pub struct IdentificationReader {
    early_lines: usize,
    early_bytes: usize,
}

impl IdentificationReader {
    /// Looks at what has come. Returns how many bytes are used up, and the line when it is there.
    ///
    /// Only a server may send other lines first (`early_lines_allowed`); they are bounded and ignored.
    pub fn read(
        &mut self,
        bytes: &[u8],
        early_lines_allowed: bool,
    ) -> Result<(usize, Option<Identification>), Error> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let Some(end) = rest.iter().position(|b| *b == b'\n') else {
                let whole = rest.len() < MAX_LINE && self.early_bytes + rest.len() < MAX_EARLY_BYTES;
                let plausible = early_lines_allowed || b"SSH-".starts_with(rest.get(..4).unwrap_or(rest));
                return match (plausible, whole) {
                    (false, _) => Err(Error::NotSsh),
                    (true, false) => Err(Misbehaviour::Identification.into()),
                    (true, true) => Ok((used, None)),
                };
            };
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            used += end + 1;
            if line.starts_with(b"SSH-") {
                return check(line).map(|()| (used, Some(line.to_vec())));
            }
            self.early_lines += 1;
            self.early_bytes += end + 1;
            if !early_lines_allowed {
                return Err(Error::NotSsh);
            }
            if self.early_lines > MAX_EARLY_LINES || self.early_bytes > MAX_EARLY_BYTES {
                return Err(Misbehaviour::Identification.into());
            }
        }
    }
}

fn check(line: &[u8]) -> Result<(), Error> {
    if !line.starts_with(b"SSH-2.0-") && !line.starts_with(b"SSH-1.99-") {
        return Err(Error::NotSsh);
    }
    let printable = line.iter().all(|b| matches!(b, b' '..=b'~'));
    if line.len() > MAX_LINE - 2 || !printable {
        return Err(Misbehaviour::Identification.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], server: bool) -> Result<(usize, Option<Identification>), Error> {
        IdentificationReader::default().read(bytes, server)
    }

    #[test]
    fn lines_end_with_or_without_carriage_return() {
        assert_eq!(read(b"SSH-2.0-a b\r\nrest", false), Ok((13, Some(b"SSH-2.0-a b".to_vec()))));
        assert_eq!(read(b"SSH-1.99-x\n", false), Ok((11, Some(b"SSH-1.99-x".to_vec()))));
        assert_eq!(read(b"SSH-2.0", false), Ok((0, None)));
    }

    #[test]
    fn only_servers_may_talk_before_their_line() {
        assert_eq!(read(b"hello\r\nSSH-2.0-x\r\n", true), Ok((18, Some(b"SSH-2.0-x".to_vec()))));
        assert_eq!(read(b"hello\r\nSSH-2.0-x\r\n", false), Err(Error::NotSsh));
        assert_eq!(read(b"GET ", false), Err(Error::NotSsh));
    }

    #[test]
    fn hostile_009_identification_lines_are_bounded() {
        let long = [b"SSH-2.0-".as_slice(), &[b'a'; 300]].concat();
        assert_eq!(read(&long, false), Err(Misbehaviour::Identification.into()));
        assert_eq!(read(b"SSH-2.0-a\0b\r\n", false), Err(Misbehaviour::Identification.into()));
        assert_eq!(read(b"SSH-1.5-old\n", true), Err(Error::NotSsh));
        assert_eq!(read(&b"x\n".repeat(5000), true), Err(Misbehaviour::Identification.into()));
        assert_eq!(read(&[b'x'; 10_000], true), Err(Misbehaviour::Identification.into()));
    }
}
