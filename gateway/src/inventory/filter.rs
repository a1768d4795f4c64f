//! Which nodes of a list are wanted.

use mezite_api::reachable::MAX_SEARCH_BYTES;
use mezite_api::{Invalid, Labels, Node};

/// Labels and a text.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    labels: Labels,
    /// In lower case.
    search: String,
}

impl Filter {
    /// Nodes that have all these labels, and this text in their name or in a label, whatever its case.
    pub fn new(labels: Labels, search: &str) -> Result<Self, Invalid> {
        if search.len() > MAX_SEARCH_BYTES {
            return Err(Invalid::new("search", format!("must be at most {MAX_SEARCH_BYTES} bytes")));
        }
        Ok(Self { labels, search: search.to_lowercase() })
    }

    /// Whether the node is wanted by who may know its name and labels, and nothing else of it.
    pub(super) fn wants(&self, node: &Node) -> bool {
        self.has_labels(node) && self.is_named(node)
    }

    /// Whether it is wanted by who administers it: the text may be in its address or UUID too.
    pub(super) fn wants_whole(&self, node: &Node) -> bool {
        let inside =
            || [node.spec.addr.to_string(), node.id().to_string()].iter().any(|text| self.is_in(text));
        self.has_labels(node) && (self.is_named(node) || inside())
    }

    fn has_labels(&self, node: &Node) -> bool {
        self.labels.iter().all(|(key, value)| node.metadata.labels.get(key) == Some(value))
    }

    fn is_named(&self, node: &Node) -> bool {
        let mut labels = node.metadata.labels.iter();
        self.is_in(node.spec.hostname.as_str())
            || labels.any(|(key, value)| self.is_in(&format!("{key}={value}")))
    }

    fn is_in(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.search)
    }
}
