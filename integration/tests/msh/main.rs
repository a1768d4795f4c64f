//! `msh` on the way to nodes: the real gateway, the system's OpenSSH, a stock sshd.

// What cannot be set up must end the test.
#![allow(clippy::unwrap_used)]

mod false_gateway;
mod hostile_names;
mod hostile_node;
mod ls;
mod ssh;
