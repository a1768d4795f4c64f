//! What a terminal would take output for: text, control characters, escape sequences (ECMA-48 and xterm's).

use crate::utf8::Utf8;

/// The longest CSI sequence that is looked at, in bytes between `ESC [` and the final byte.
const MAX_CSI: usize = 128;

/// The longest control string that is passed over, in characters: more of it is text. So whoever leaves a string
/// open hides no more than this from who watches.
const MAX_STRING: usize = 4096;

pub(crate) const ESC: char = '\x1b';

/// One thing that a terminal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// Shows a character, which is none of control.
    Text(char),
    /// A C0 control character other than `ESC`.
    Control(char),
    /// `ESC`, perhaps an intermediate, and a final character; never one that begins a string.
    Escape(Option<char>, char),
    /// A control sequence.
    Csi(Csi<'a>),
}

/// `ESC [`, then these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Csi<'a> {
    /// One of `< = > ?`, which make the sequence private.
    pub(crate) prefix: Option<char>,
    /// Digits, `;` and `:`.
    pub(crate) parameters: &'a str,
    /// One of space to `/`, if there is.
    pub(crate) intermediate: Option<char>,
    /// What is to be done.
    pub(crate) last: char,
}

impl Csi<'_> {
    /// The parameters as numbers: an empty one is 0, one that is too large or made of parts is the largest.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u16> {
        self.parameters
            .split(';')
            .map(|text| if text.is_empty() { 0 } else { text.parse().unwrap_or(u16::MAX) })
    }
}

/// A state machine that takes output apart. Its memory is bounded, whatever the output is.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    utf8: Utf8,
    text: String,
    state: State,
    csi: String,
}

#[derive(Debug, Default)]
enum State {
    /// Text.
    #[default]
    Ground,
    /// After `ESC`, with the intermediate if there was one.
    Escape(Option<char>),
    /// After `ESC [`.
    Csi,
    /// Within a CSI sequence that is not one of ECMA-48, up to its final byte.
    CsiIgnored,
    /// Within OSC, DCS, APC, PM, SOS or `ESC k`, after so many characters.
    String(usize),
}

impl Parser {
    /// Takes output, cut anywhere, and hands out what it does.
    pub(crate) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Token<'_>)) {
        let mut text = std::mem::take(&mut self.text);
        self.utf8.push(bytes, &mut text);
        self.take(&mut text, &mut each);
    }

    /// The end: a character that is cut is shown as U+FFFD, a sequence that is cut does nothing.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(Token<'_>)) {
        let mut text = std::mem::take(&mut self.text);
        self.utf8.finish(&mut text);
        self.take(&mut text, &mut each);
        self.state = State::Ground;
    }

    fn take(&mut self, text: &mut String, each: &mut impl FnMut(Token<'_>)) {
        for character in text.chars() {
            self.step(character, each);
        }
        text.clear();
        self.text = std::mem::take(text);
    }

    fn step(&mut self, character: char, each: &mut impl FnMut(Token<'_>)) {
        // A control character ends whatever has begun: no terminal is known to need it within, and none may differ
        // from this reading in what it shows. Only tabs and BEL, which ends an OSC, are met inside strings.
        match (character, &self.state) {
            (ESC, _) => self.state = State::Escape(None),
            ('\x07' | '\u{9c}', State::String(_)) => self.state = State::Ground,
            ('\t', State::String(length)) => self.state = Self::within_string(*length),
            ('\0'..='\x1f' | '\x7f', _) => {
                self.state = State::Ground;
                each(Token::Control(character));
            }
            (_, State::Ground) => each(Token::Text(visible(character))),
            (_, State::Escape(intermediate)) => self.escape(*intermediate, character, each),
            (_, State::Csi) => self.csi(character, each),
            (_, State::CsiIgnored) => self.csi_ignored(character, each),
            (_, State::String(length)) => self.state = Self::within_string(*length),
        }
    }

    /// The state one character further in a string.
    const fn within_string(length: usize) -> State {
        if length < MAX_STRING { State::String(length + 1) } else { State::Ground }
    }

    fn escape(&mut self, intermediate: Option<char>, character: char, each: &mut impl FnMut(Token<'_>)) {
        self.state = match (intermediate, character) {
            (None, '[') => {
                self.csi.clear();
                State::Csi
            }
            (None, ']' | 'P' | 'X' | '^' | '_' | 'k') => State::String(0),
            (None, ' '..='/') => State::Escape(Some(character)),
            (_, '0'..='~') => {
                each(Token::Escape(intermediate, character));
                State::Ground
            }
            (Some(_), ' '..='/') => State::Ground,
            _ => {
                each(Token::Text(visible(character)));
                State::Ground
            }
        };
    }

    fn csi(&mut self, character: char, each: &mut impl FnMut(Token<'_>)) {
        match character {
            '@'..='~' => {
                self.state = State::Ground;
                if let Some(csi) = parse_csi(&self.csi, character) {
                    each(Token::Csi(csi));
                }
            }
            ' '..='?' if self.csi.len() < MAX_CSI => self.csi.push(character),
            ' '..='?' => self.state = State::CsiIgnored,
            _ => self.csi_ignored(character, each),
        }
    }

    fn csi_ignored(&mut self, character: char, each: &mut impl FnMut(Token<'_>)) {
        match character {
            ' '..='?' => {}
            '@'..='~' => self.state = State::Ground,
            _ => {
                self.state = State::Ground;
                each(Token::Text(visible(character)));
            }
        }
    }
}

/// The sequence with this inside and this final; nothing when its parts are not in the order of ECMA-48.
fn parse_csi(inside: &str, last: char) -> Option<Csi<'_>> {
    let prefix = inside.chars().next().filter(|first| ('<'..='?').contains(first));
    let inside = inside.get(usize::from(prefix.is_some())..)?;
    let intermediate = inside.chars().last().filter(|last| (' '..='/').contains(last));
    let parameters = inside.get(..inside.len() - usize::from(intermediate.is_some()))?;
    let valid = parameters.chars().all(|character| matches!(character, '0'..='9' | ';' | ':'));
    valid.then_some(Csi { prefix, parameters, intermediate, last })
}

/// The character as it may be shown: C1 controls, which some terminals obey, become U+FFFD.
const fn visible(character: char) -> char {
    match character {
        '\u{80}'..='\u{9f}' => char::REPLACEMENT_CHARACTER,
        _ => character,
    }
}
