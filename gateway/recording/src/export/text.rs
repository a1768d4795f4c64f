//! What was shown, as plain text.

use std::io::{Read, Write};

use crate::play::remark;
use crate::terminal::{Parser, Token};
use crate::{PlayError, Reader, State};

/// Writes the output as text to read or search: without escape sequences and control characters.
///
/// Nothing that was shown is left out: what a carriage return went back over stays as a line of its own, so that
/// nothing can be hidden by writing over it.
pub fn text<R: Read>(reader: &mut Reader<R>, out: &mut impl Write) -> Result<State, PlayError> {
    let mut parser = Parser::default();
    let mut lines = Lines::default();
    while let Some(frame) = reader.next_frame()? {
        match frame.body.output() {
            Some((_, data)) => parser.push(data, |token| lines.push(token)),
            None => lines.remark(remark(&frame.body)),
        }
        lines.write(out)?;
    }
    parser.finish(|token| lines.push(token));
    lines.end();
    lines.write(out)?;
    out.flush().map_err(PlayError::Output)?;
    Ok(reader.state().unwrap_or(State::Incomplete))
}

/// Text on its way out.
#[derive(Default)]
struct Lines {
    ready: String,
    /// There was a carriage return, and what follows decides what it was for.
    returned: bool,
    /// Something stands in the line.
    begun: bool,
}

impl Lines {
    fn push(&mut self, token: Token<'_>) {
        match token {
            Token::Text(character) => self.character(character),
            Token::Control('\t') => self.character('\t'),
            Token::Control('\n') => self.end_line(),
            Token::Control('\r') => self.returned = true,
            _ => {}
        }
    }

    fn character(&mut self, character: char) {
        self.end();
        self.ready.push(character);
        self.begun = true;
    }

    /// Ends a line that a carriage return went back over.
    fn end(&mut self) {
        if self.returned && self.begun {
            self.end_line();
        }
        self.returned = false;
    }

    fn end_line(&mut self) {
        self.ready.push('\n');
        self.returned = false;
        self.begun = false;
    }

    fn remark(&mut self, remark: Option<String>) {
        if let Some(remark) = remark {
            if self.begun {
                self.end_line();
            }
            let clean = remark.chars().map(|character| if character.is_control() { ' ' } else { character });
            self.ready.push('[');
            self.ready.extend(clean);
            self.ready.push(']');
            self.end_line();
        }
    }

    fn write(&mut self, out: &mut impl Write) -> Result<(), PlayError> {
        out.write_all(self.ready.as_bytes()).map_err(PlayError::Output)?;
        self.ready.clear();
        Ok(())
    }
}
