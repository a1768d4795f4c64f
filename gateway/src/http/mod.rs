//! HTTP: the public exports over TLS, the administration API over the Unix socket.
//!
//! The accept loops, TLS, every limit and the reading of requests are ours; `tide` only finds the handler. A request
//! goes `listener` → `doors` → `connection` → `head` → `app` → one of `routes`.

mod app;
mod connection;
mod doors;
mod gate;
mod head;
mod listener;
mod problem;
mod request;
mod response;
mod routes;
mod tls;

pub use app::{Answer, App};
pub use listener::{ADMIN, ConnectHandler, HTTPS, Https, Tunnel, serve_admin};
pub use request::{Caller, Method, Query, Request};
pub use response::{Body, Response};
pub use routes::{administration, public};
pub use tls::{TlsSetupError, acceptor};

/// Finds and parses the head at the beginning of `bytes`.
#[cfg(fuzzing)]
pub(crate) fn read_head(bytes: &[u8]) {
    if let Some(length) = head::head_len(bytes) {
        let _ = head::Head::parse(&bytes[..length]);
    }
}
