//! Text from outside, made harmless for terminals, logs and people's eyes.

use std::fmt::Write as _;

/// The most characters of outside text that are ever shown (semantics section 9).
pub const ESCAPED_MAX_CHARS: usize = 200;

/// `bytes` as one printable line: control characters (C0, DEL, C1), bidirectional and invisible formatting,
/// line separators and the backslash are escaped, bytes that are not UTF-8 become `\xNN`. At most
/// [`ESCAPED_MAX_CHARS`] characters, with `…` as the last one where something was left out.
pub fn escape(bytes: impl AsRef<[u8]>) -> String {
    let mut line = Line::default();
    for chunk in bytes.as_ref().utf8_chunks() {
        for character in chunk.valid().chars() {
            if !line.push(&escape_char(character)) {
                return line.text;
            }
        }
        for byte in chunk.invalid() {
            if !line.push(&format!("\\x{byte:02x}")) {
                return line.text;
            }
        }
    }
    line.text
}

fn escape_char(character: char) -> String {
    match character {
        '\n' => "\\n".into(),
        '\r' => "\\r".into(),
        '\t' => "\\t".into(),
        '\\' => "\\\\".into(),
        _ if character.is_ascii_control() => format!("\\x{:02x}", u32::from(character)),
        _ if is_deceptive(character) => format!("\\u{{{:x}}}", u32::from(character)),
        _ => character.into(),
    }
}

/// JSON as it was, but for characters that a terminal or an eye would take for something else: they are spelled out as
/// `\uXXXX`. They stand in strings only, so the value stays the same.
pub fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && character != '\u{7f}' || !is_deceptive(character) {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
}

/// Characters that are not shown as themselves: C1 controls, separators of lines, zero-width and
/// bidirectional formatting, tags, private use.
pub fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{10ffff}')
}

/// The line so far; takes pieces whole or not at all.
#[derive(Default)]
struct Line {
    text: String,
    chars: usize,
}

impl Line {
    /// Appends `piece`, or `…` when it does not fit beside what must still be said; false ends the line.
    fn push(&mut self, piece: &str) -> bool {
        let chars = piece.chars().count();
        if self.chars + chars < ESCAPED_MAX_CHARS {
            self.text.push_str(piece);
            self.chars += chars;
            true
        } else {
            self.text.push('…');
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ESCAPED_MAX_CHARS, escape, escape_json};

    #[test]
    fn what_is_printable_stays() {
        assert_eq!(escape("db-legacy-01 Grüße 日本"), "db-legacy-01 Grüße 日本");
    }

    #[test]
    fn what_a_terminal_or_an_eye_would_take_for_something_else_is_spelled_out() {
        for (given, shown) in [
            (&b"a\x1b[2Jb"[..], "a\\x1b[2Jb"),
            (b"a\nb\r\t", "a\\nb\\r\\t"),
            (b"\0\x7f", "\\x00\\x7f"),
            ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
            ("x\u{202e}y".as_bytes(), "x\\u{202e}y"),
            ("\u{2028}\u{200b}\u{feff}".as_bytes(), "\\u{2028}\\u{200b}\\u{feff}"),
            (b"\xff\xc3", "\\xff\\xc3"),
            (br"\x1b", r"\\x1b"),
        ] {
            assert_eq!(escape(given), shown);
        }
    }

    #[test]
    fn json_keeps_its_value_and_shows_nothing_deceptive() {
        let value = serde_json::json!({"a\u{9b}": "x\u{202e}\u{7f}\u{e0041}\n日本\\u", "b": [1, null]});
        let shown = escape_json(&serde_json::to_string_pretty(&value).unwrap());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        assert!(
            shown.chars().all(|character| character == '\n' || !super::is_deceptive(character)),
            "{shown}"
        );
        assert!(shown.contains("日本"));
    }

    #[test]
    fn long_text_is_cut_with_a_mark() {
        for long in ["x".repeat(1_000_000), "\u{1b}".repeat(1_000), "é".repeat(201)] {
            let shown = escape(&long);
            assert!(shown.chars().count() <= ESCAPED_MAX_CHARS);
            assert!(shown.ends_with('…'));
        }
        assert!(!escape("x".repeat(ESCAPED_MAX_CHARS - 1)).ends_with('…'));
    }
}
