//! Rows of docs/hostile.md that need a peer which speaks SSH and means ill, end to end.

// What cannot be set up must end the test.
#![allow(clippy::unwrap_used)]

mod authentication;
mod certificates;
mod protocol;
mod restrictions;
