//! Recordings from outside: what is written, read back, recovered, played and exported.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod archive;
mod exports;
mod play;
mod recovery;
mod sanitiser;
mod stream;
mod support;
