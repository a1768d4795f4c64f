//! `msh` on nodes, end to end.

// What cannot be set up must end the test.
#![allow(clippy::unwrap_used)]

mod ls;
#[path = "../people/person.rs"]
#[allow(dead_code, reason = "the tests of people use all of it")]
mod person;
