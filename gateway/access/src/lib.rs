//! Roles: reading them, compiling them, and deciding with them who may do what (semantics section 1).
//!
//! Nothing here does I/O or knows the time. A [`Role`] is the document, a [`CompiledRole`] the form that decides;
//! [`decide`] answers for one user, login and node, [`explain`] says which role and field each outcome came from.
//! What cannot be evaluated is refused when the document is read, so that a decision never fails.

mod built_in;
mod compiled;
mod decision;
mod document;
mod forwarding;
mod glob;
mod issuance;
mod label;
mod login;
mod options;
mod permits;
#[cfg(test)]
mod reference;
mod rule;
#[cfg(test)]
mod tests;
mod trace;
pub mod yaml;

pub use built_in::{built_in_roles, is_built_in};
pub use compiled::CompiledRole;
pub use decision::{Decision, Matches, Refusal, UserFacts, decide, explain, may_see, reach};
pub use document::{Role, RoleError};
pub use forwarding::{Destination, Forwarding, OwnSshd};
pub use glob::Glob;
pub use issuance::{Issuance, issuance};
pub use options::{ExecLimit, JoinRequirement, MfaMode, RecordMode, RoleOptions};
pub use permits::Permits;
pub use rule::{Resource, Verb, rules_allow};
pub use yaml::YamlError;
