//! Text from outside, made safe to show, to log and to put between our own words.

use std::fmt::Write as _;

/// Longest text from outside that is shown, in characters, before it is cut with `…`.
const LONGEST: usize = 200;

/// Bytes from outside as one line of printable ASCII: everything else and the backslash are escaped as `\xNN`,
/// and what is longer than 200 characters is cut with `…`.
pub fn printable(bytes: &[u8]) -> String {
    let shown = escaped(bytes, |byte| byte == b' ' || byte.is_ascii_graphic());
    if shown.len() <= LONGEST {
        return shown;
    }
    // All of it is ASCII, so that any index is a boundary.
    format!("{}…", shown.get(..LONGEST - 1).unwrap_or_default())
}

/// One value inside a list of `name=value` pairs: no blank, `=`, quote or comma stays unescaped, so that no value
/// can look like another pair.
pub(crate) fn value(text: &str) -> String {
    escaped(text.as_bytes(), |byte| byte.is_ascii_graphic() && !matches!(byte, b'=' | b'"' | b'\'' | b','))
}

fn escaped(bytes: &[u8], plain: impl Fn(u8) -> bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if plain(byte) && byte != b'\\' {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_bytes_and_backslashes_are_escaped() {
        assert_eq!(printable(b"a b\x1b[31m\n\\"), r"a b\x1b[31m\x0a\x5c");
        assert_eq!(printable("\u{202e}é".as_bytes()), r"\xe2\x80\xae\xc3\xa9");
    }

    #[test]
    fn long_text_is_cut() {
        let shown = printable(&[b'x'; 5000]);
        assert_eq!(shown.chars().count(), 200);
        assert!(shown.ends_with('…'));
        assert_eq!(printable(&[b'x'; 200]), "x".repeat(200));
    }

    #[test]
    fn a_value_cannot_add_a_pair() {
        assert_eq!(value("alice login=root"), r"alice\x20login\x3droot");
        assert_eq!(value("bob-1.x@y"), "bob-1.x@y");
    }
}
