//! YAML documents that people write: strict, bounded, errors with key and line.

use mezite_api::escape;
use serde::de::DeserializeOwned;
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy};

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct YamlError {
    /// The line in the document, from 1.
    pub line: u64,
    /// What is wrong there, escaped; names the key.
    pub reason: String,
}

/// Reads one document. Aliases, merge keys, duplicate keys, foreign tags and a second document are refused, and nothing
/// but `true` and `false` is a boolean.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    let options = serde_saphyr::options! {
        // No anchors: no aliases. The rest of its limits fits a document of a role's size.
        budget: serde_saphyr::budget! { max_anchors: 0 },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        reject_tagged_field_names: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map_or(1, |location| location.line());
        let text = error.to_string();
        let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
        YamlError { line, reason: escape(reason) }
    })
}
