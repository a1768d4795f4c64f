//! The CA crate from outside: hand-made hostile certificates, faulty signers, real `ssh-keygen`, real TLS handshakes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed expectation fails the test")]

mod certificates;
mod issuing;
mod keys;
mod mutation;
mod openssh;
mod sealing;
mod support;
mod tls;
mod tls_clients;
