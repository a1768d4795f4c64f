//! Text out of bytes that come in pieces cut anywhere.

/// Decodes UTF-8: a character that is cut between two pieces is put together, what is invalid becomes U+FFFD, as
/// `String::from_utf8_lossy` does it for the whole.
#[derive(Debug, Default)]
pub(crate) struct Utf8 {
    /// The beginning of a character whose end has not come.
    partial: [u8; 4],
    length: usize,
}

impl Utf8 {
    /// Appends the characters that `bytes` complete.
    pub(crate) fn push(&mut self, mut bytes: &[u8], out: &mut String) {
        while self.length > 0 {
            let Some((&byte, rest)) = bytes.split_first() else { return };
            if self.extend(byte, out) {
                bytes = rest;
            }
        }
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            out.push_str(chunk.valid());
            match std::str::from_utf8(chunk.invalid()) {
                Ok(_) => {}
                Err(error) if error.error_len().is_none() && chunks.peek().is_none() => {
                    self.keep(chunk.invalid());
                }
                Err(_) => out.push(char::REPLACEMENT_CHARACTER),
            }
        }
    }

    /// The end: what is still cut is invalid.
    pub(crate) fn finish(&mut self, out: &mut String) {
        if self.length > 0 {
            self.length = 0;
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }

    /// Adds a byte to the character that has begun; false when it does not belong to it.
    fn extend(&mut self, byte: u8, out: &mut String) -> bool {
        let Some(place) = self.partial.get_mut(self.length) else { return false };
        *place = byte;
        let candidate = self.partial.get(..=self.length).unwrap_or_default();
        match std::str::from_utf8(candidate) {
            Ok(character) => {
                out.push_str(character);
                self.length = 0;
                true
            }
            Err(error) if error.error_len().is_none() => {
                self.length += 1;
                true
            }
            Err(_) => {
                self.finish(out);
                false
            }
        }
    }

    /// Keeps the beginning of a character: at most three bytes.
    fn keep(&mut self, bytes: &[u8]) {
        for (place, &byte) in self.partial.iter_mut().zip(bytes) {
            *place = byte;
        }
        self.length = bytes.len();
    }
}

/// The front of `text`, at most `max` bytes of whole characters.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes among which broken and whole characters are frequent.
    pub(crate) fn text_like() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            Just(0xf0),
            Just(0x9f),
            Just(0x98),
            Just(0x80),
            Just(0xe2),
            Just(0xc3),
            0x20..0x7f_u8,
            any::<u8>()
        ];
        prop::collection::vec(byte, 0..200)
    }

    proptest! {
        #[test]
        fn hostile_034_pieces_decode_like_the_whole(bytes in text_like(), cuts in prop::collection::vec(1..5_usize, 1..50)) {
            let (mut utf8, mut text, mut rest) = (Utf8::default(), String::new(), &bytes[..]);
            for cut in cuts.into_iter().cycle() {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                utf8.push(piece, &mut text);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            utf8.finish(&mut text);
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }
    }
}
