//! Output of a stranger made fit for the terminal of who watches.

use std::fmt::Write as _;

use crate::terminal::{Csi, ESC, Parser, Token};

/// The largest number in a control sequence that is let through: no terminal has more lines or columns.
const MAX_NUMBER: u16 = 9999;

/// Modes of xterm that change what is shown and nothing that the terminal sends: reverse video, wrapping, the
/// cursor's blinking and visibility, the alternate screen.
const MODES: [u16; 8] = [5, 7, 12, 25, 47, 1047, 1048, 1049];

/// Those of [`MODES`] that show the alternate screen.
const ALTERNATE: [u16; 3] = [47, 1047, 1049];

/// Lets through what only shows: text, colours, cursor movement, erasing, the alternate screen. Everything else is
/// taken out: control strings (OSC, DCS, APC, PM, SOS, a title by `ESC k`), queries that the terminal would answer
/// into the viewer's shell, 8-bit controls, modes that change what keys and the mouse send, printing, resizing.
///
/// What it lets through is a list; what is not on it, known or not, is taken out. Output may be cut anywhere.
#[derive(Debug, Default)]
pub struct Sanitiser {
    parser: Parser,
    alternate: bool,
}

impl Sanitiser {
    /// A sanitiser at the beginning of the output.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends to `out` what `bytes` may show.
    pub fn push(&mut self, bytes: &[u8], out: &mut String) {
        let alternate = &mut self.alternate;
        self.parser.push(bytes, |token| show(token, alternate, out));
    }

    /// The end of the output: a sequence that is not finished is dropped, a character that is cut is U+FFFD.
    pub fn finish(&mut self, out: &mut String) {
        let alternate = &mut self.alternate;
        self.parser.finish(|token| show(token, alternate, out));
    }

    /// Whether the alternate screen is shown now.
    pub(crate) const fn alternate(&self) -> bool {
        self.alternate
    }
}

/// Appends the token if it only shows.
fn show(token: Token<'_>, alternate: &mut bool, out: &mut String) {
    match token {
        Token::Text(character) => out.push(character),
        // Backspace, tab, line feeds, carriage return, and the shifts between two character sets.
        Token::Control(control @ ('\x08'..='\x0f')) => out.push(control),
        Token::Escape(intermediate, last) => match (intermediate, last) {
            // Save and restore the cursor; index, next line, reverse index.
            (None, '7' | '8' | 'D' | 'E' | 'M')
            // Character sets: line drawing, British, ASCII. Lines of double size, the alignment pattern.
            | (Some('(' | ')' | '*' | '+'), '0' | 'A' | 'B')
            | (Some('#'), '3'..='6' | '8') => {
                out.push(ESC);
                out.extend(intermediate);
                out.push(last);
            }
            // A full reset would also take the scrollback and the title.
            (None, 'c') => out.push_str("\x1b[!p\x1b[H\x1b[2J"),
            _ => {}
        },
        Token::Csi(csi) if permitted(&csi) => {
            if csi.prefix == Some('?') && csi.numbers().any(|mode| ALTERNATE.contains(&mode)) {
                *alternate = csi.last == 'h';
            }
            append(&csi, out);
        }
        Token::Control(_) | Token::Csi(_) => {}
    }
}

/// Whether a control sequence only shows.
fn permitted(csi: &Csi<'_>) -> bool {
    let small = || csi.numbers().all(|number| number <= MAX_NUMBER);
    match (csi.prefix, csi.intermediate, csi.last) {
        // Colours may have parts (`4:3`, `38:2::1:2:3`).
        (None, None, 'm') => true,
        // Cursor movement, erasing within a line, inserting, deleting, scrolling, margins, repetition.
        (
            None,
            None,
            '@'..='I' | 'K'..='M' | 'P' | 'S' | 'X' | 'Z' | '`' | 'a' | 'b' | 'd'..='f' | 'r' | 's' | 'u',
        ) => small(),
        // Erasing the screen, but not the scrollback.
        (None, None, 'J') => csi.numbers().all(|number| number <= 2),
        // With more parameters it would begin to track the mouse.
        (None, None, 'T') => small() && csi.numbers().count() == 1,
        // Insert mode.
        (None, None, 'h' | 'l') => csi.numbers().all(|mode| mode == 4),
        (Some('?'), None, 'h' | 'l') => csi.numbers().all(|mode| MODES.contains(&mode)),
        // Soft reset.
        (None, Some('!'), 'p') => csi.parameters.is_empty(),
        _ => false,
    }
}

fn append(csi: &Csi<'_>, out: &mut String) {
    let Csi { prefix, parameters, intermediate, last } = *csi;
    out.push_str("\x1b[");
    out.extend(prefix);
    out.push_str(parameters);
    out.extend(intermediate);
    out.push(last);
}

/// Puts the viewer's terminal in order, whatever state the output has left it in; `alternate`: it shows the
/// alternate screen. Nothing of what was shown is erased.
pub(crate) fn reset(alternate: bool) -> String {
    // End whatever string or sequence is open.
    let mut reset = String::from("\x18\x1b\\");
    if alternate {
        // Only then: elsewhere it would send the cursor back to where it was saved.
        reset.push_str("\x1b[?1049l");
    }
    // Soft reset; then what not every terminal counts as part of it: margins (which move the cursor), colours,
    // character sets, insert mode, reverse video, wrapping, the cursor.
    reset.push_str("\x1b[!p\x1b7\x1b[r\x1b8\x1b[0m\x1b(B\x0f\x1b[4l\x1b[?5l\x1b[?7h\x1b[?25h");
    // What only raw output can have turned on: keys, mouse, focus, paste.
    for mode in [1, 9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 2004] {
        // Writing to a string cannot fail.
        let _ = write!(reset, "\x1b[?{mode}l");
    }
    reset.push_str("\x1b>\r\n");
    reset
}
