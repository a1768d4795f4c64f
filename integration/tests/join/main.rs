//! Nodes that join by themselves: the real gateway, `mezd join openssh` and the printed script, stock `sshd` and `ssh`.

// What cannot be set up must end the test.
#![allow(clippy::unwrap_used)]

mod binary;
mod check;
mod hostile;
mod plain;
mod rotation;
mod script;
mod tokens;
