//! Id tokens (`OpenID` Connect): how bots join that keep no secret. Pipelines and clusters sign them for each job.
//!
//! `token` is what can be said before anything is believed; `keys` verifies, with the algorithm that the key has; `claims`
//! is pure and compares what was signed with what a bot asks for; `issuers` fetches and remembers keys.

mod claims;
mod fault;
mod issuers;
mod keys;
mod token;

pub use claims::Claims;
pub use fault::Fault;
pub use issuers::Issuers;
pub use keys::KeySet;
pub use token::IdToken;

#[cfg(test)]
mod tests;
