//! The SSH engine: both roles of the protocol, without any I/O.
//!
//! Bytes and the time go in through `handle_*`, bytes, events and the next deadline come out through `poll_*` and
//! [`transport::Transport::transmit`]. No socket, task or clock is in here, so the same code runs in the gateway, under
//! virtual time in tests, and under a fuzzer.
//!
//! # The order of calls
//!
//! 1. Read from the socket into `receive_space`, tell `handle_received`; or call `handle_timeout` when it is due.
//! 2. Call `poll_event` until it gives `None` (or an error, which it then gives for ever).
//! 3. Write what `transmit` shows, tell `handle_transmitted`; wait for the socket or for `poll_timeout`.
//!
//! A message that is to be relayed is handed out as a slice of the receive buffer, opened in place, and `send` of the other
//! engine seals its copy where it will be written from: one copy a byte. Relay only while `can_send`: that is the
//! back-pressure, for a socket that does not keep up and for a key exchange that is running.
//!
//! # Where to look
//!
//! [`wire`] (types and numbers) → `ident`, `packet`, `negotiate`, `keys` → [`transport`] (the pump) → [`server`] and
//! [`client`], which have the same files. One algorithm a file in [`cipher`], [`kex`] and [`hostkey`].

pub mod buffer;
pub mod cipher;
pub mod client;
pub mod error;
mod exchange;
pub mod hostkey;
mod ident;
pub mod kex;
mod keys;
mod negotiate;
mod packet;
mod random;
#[cfg(test)]
mod recorded;
pub mod server;
mod timer;
pub mod transport;
pub mod wire;

pub use error::Error;
