//! People end to end: the real gateway, the real `msh`, stock `ssh`, `ssh-agent` and `sshd`.

// What cannot be set up must end the test.
#![allow(clippy::unwrap_used)]

mod keys;
mod limits;
mod login;
mod second_factor;
mod secrets;
mod setup;
