//! The fields of a head, and what they say of the length of the body.

use super::{BODY_MAX, FIELDS_MAX, HeadError};

/// What is kept of the fields.
#[derive(Default)]
pub(super) struct Fields {
    pub host: bool,
    pub close: bool,
    pub expects_continue: bool,
    framing: Framing,
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
}

/// How the end of the body is told.
#[derive(Default, Clone, Copy)]
enum Framing {
    /// There is no body.
    #[default]
    None,
    /// By its length.
    Length(u64),
    /// In another way.
    Coded,
}

impl Framing {
    /// One field may say it, once.
    fn set(&mut self, framing: Self) -> Result<(), HeadError> {
        match self {
            Self::None => {
                *self = framing;
                Ok(())
            }
            _ => Err(HeadError::Malformed("more than one framing of the body")),
        }
    }
}

impl Fields {
    pub fn read<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Self, HeadError> {
        let mut fields = Self::default();
        for (count, line) in lines.enumerate() {
            if count == FIELDS_MAX {
                return Err(HeadError::HeadTooLarge);
            }
            // A line that begins with a blank (obs-fold) has no token before its colon, so it falls out here too.
            let (name, value) = line.split_once(':').ok_or(HeadError::Malformed("field"))?;
            if name.is_empty() || !name.bytes().all(is_token_byte) {
                return Err(HeadError::Malformed("field name"));
            }
            if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
                return Err(HeadError::Malformed("field value"));
            }
            fields.take(&name.to_ascii_lowercase(), value.trim_matches([' ', '\t']))?;
        }
        Ok(fields)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), HeadError> {
        match name {
            "host" if self.host => return Err(HeadError::Malformed("more than one Host")),
            "host" => self.host = true,
            "connection" => {
                self.close |= value.split(',').any(|word| word.trim().eq_ignore_ascii_case("close"));
            }
            "expect" => self.expects_continue = value.eq_ignore_ascii_case("100-continue"),
            "content-length" => self.framing.set(Framing::Length(decimal(value)?))?,
            "transfer-encoding" => self.framing.set(Framing::Coded)?,
            "if-match" if self.if_match.is_some() => {
                return Err(HeadError::Malformed("more than one If-Match"));
            }
            "if-match" => self.if_match = Some(value.to_owned()),
            "if-none-match" => self.if_none_match = Some(value.to_owned()),
            _ => {}
        }
        Ok(())
    }

    pub fn body_len(&self) -> Result<usize, HeadError> {
        match self.framing {
            Framing::None => Ok(0),
            Framing::Coded => Err(HeadError::LengthRequired),
            Framing::Length(length) => {
                let length = usize::try_from(length).ok().filter(|length| *length <= BODY_MAX);
                length.ok_or(HeadError::BodyTooLarge)
            }
        }
    }
}

/// RFC 9110 section 5.6.2.
pub fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn decimal(value: &str) -> Result<u64, HeadError> {
    // `parse` alone would take a sign.
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HeadError::Malformed("Content-Length"));
    }
    value.parse().map_err(|_| HeadError::BodyTooLarge)
}
