//! Routes as they are declared: what they match, who may take them, and what they are for.

use mezite_access::{Resource, Verb};

use super::request::Method;

/// One route.
#[derive(Debug, Clone)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path; a segment `:name` matches any one segment and becomes a parameter.
    pub path: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Who may take it.
    pub access: Access,
}

/// Who may take a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Who holds a client certificate of the cluster, perhaps an expired one: the handler judges.
    Certified,
    /// Every user who holds a valid client certificate and is not shut out.
    Identified,
    /// Whose roles have a rule for it, and the operator at the socket.
    Rule(Resource, Verb),
}

impl Route {
    const fn new(method: Method, path: &'static str, summary: &'static str) -> Self {
        Self { method, path, summary, access: Access::Public }
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
}
