//! The query of a request target.

use std::fmt::{Display, Write as _};

/// Names with values, percent-encoded.
#[derive(Debug, Default)]
pub(super) struct Query(String);

impl Query {
    /// No query.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// Adds a value.
    pub(super) fn with(mut self, name: &str, value: impl Display) -> Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        for byte in value.to_string().bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.0.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(self.0, "%{byte:02X}");
            }
        }
        self
    }

    /// Adds a value, when there is one.
    pub(super) fn with_some(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The path with this query behind it.
    pub(super) fn after(&self, path: &str) -> String {
        if self.0.is_empty() { path.to_owned() } else { format!("{path}?{}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded() {
        let query = Query::none().with("labels", "env=prod,a=b c").with_some("user", Some("al+ice"));
        let query = query.with_some("node", None::<&str>);
        assert_eq!(query.after("/v1/nodes"), "/v1/nodes?labels=env%3Dprod%2Ca%3Db%20c&user=al%2Bice");
        assert_eq!(Query::none().after("/v1/nodes"), "/v1/nodes");
    }
}
