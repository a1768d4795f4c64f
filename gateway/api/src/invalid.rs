//! The one error of everything that is parsed here.

use std::borrow::Cow;

/// Text that does not follow the grammar of the field it was given for. Never holds the text itself unless it
/// was escaped: what was given may be a secret that was pasted into the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The field as the API names it (`host`, `labels`, `host_keys` …).
    pub field: &'static str,
    /// What is wrong with it, for a person.
    pub reason: Cow<'static, str>,
}

impl Invalid {
    /// The error of `field`, with its reason.
    pub fn new(field: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { field, reason: reason.into() }
    }

    /// The same reason under the name of the field that the caller filled with this text.
    #[must_use]
    pub fn in_field(mut self, field: &'static str) -> Self {
        self.field = field;
        self
    }
}
