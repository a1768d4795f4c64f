//! Machine identities end to end: the real gateway, the real `mezd identity`, stock `ssh` and `sshd`.

// What cannot be set up must end the test.
#![allow(clippy::unwrap_used)]

mod clock;
mod daemon;
mod destination;
mod holder;
mod id_token_hostile;
mod id_tokens;
mod issuers;
mod lineage;
mod path;
mod reusable;
mod tokens;
mod trust;
