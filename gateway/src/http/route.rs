//! Routes as they are declared: what they match, who may take them, and what they are for.

use mezite_access::{Resource, Verb};
use serde_json::Value;

use super::request::Method;

/// One route.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path; a segment `:name` matches any one segment and becomes a parameter.
    pub path: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Who may take it.
    pub access: Access,
    /// What may stand in the query, with what it is.
    pub query: &'static [(&'static str, &'static str)],
    /// The schema of the body, where it takes one.
    pub body: Option<fn() -> Value>,
    /// The status of a success.
    pub status: u16,
    /// The type of what a success answers; nothing where it has no body.
    pub content_type: Option<&'static str>,
}

/// What lists take: which page.
pub const PAGED: &[(&str, &str)] = &[
    ("limit", "At most so many items, from 1 to 1000"),
    ("cursor", "Where the page before has ended, from its Link field"),
];

/// Who may take a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Who holds a client certificate of the cluster, perhaps an expired one: the handler judges.
    Certified,
    /// Every user who holds a valid client certificate and is not shut out, and the operator at the socket.
    Identified,
    /// Whose roles have a rule for it, and the operator at the socket.
    Rule(Resource, Verb),
}

impl Route {
    const fn new(method: Method, path: &'static str, summary: &'static str) -> Self {
        let (status, content_type) = match method {
            Method::Delete => (204, None),
            _ => (200, Some("application/json")),
        };
        Self { method, path, summary, access: Access::Public, query: &[], body: None, status, content_type }
    }

    /// Reads.
    pub const fn get(path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::Get, path, summary)
    }

    /// Creates, or does.
    pub const fn post(path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::Post, path, summary)
    }

    /// Replaces.
    pub const fn put(path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::Put, path, summary)
    }

    /// Changes a part.
    pub const fn patch(path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::Patch, path, summary)
    }

    /// Removes.
    pub const fn delete(path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::Delete, path, summary)
    }

    /// With these in its query.
    #[must_use]
    pub const fn query(self, query: &'static [(&'static str, &'static str)]) -> Self {
        Self { query, ..self }
    }

    /// With a body of this schema.
    #[must_use]
    pub const fn takes(self, body: fn() -> Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// A success is a 201.
    #[must_use]
    pub const fn creates(self) -> Self {
        Self { status: 201, ..self }
    }

    /// A success is a 204 without a body.
    #[must_use]
    pub const fn answers_nothing(self) -> Self {
        Self { status: 204, content_type: None, ..self }
    }

    /// A success answers this type.
    #[must_use]
    pub const fn answers(self, content_type: &'static str) -> Self {
        Self { content_type: Some(content_type), ..self }
    }
}
