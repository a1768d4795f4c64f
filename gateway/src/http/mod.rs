//! HTTP: one application over TLS and over the Unix socket: the public exports, and the API for whoever shows a client
//! certificate or is the operator of this machine.
//!
//! The accept loops, TLS, every limit and the reading of requests are ours; `tide` only finds the handler. A request
//! goes `listener` → `doors` → `connection` → `head` → `app` → one of `routes`.

mod app;
mod caller;
mod connection;
mod doors;
mod gate;
mod head;
mod listener;
mod openapi;
mod page;
pub(crate) mod problem;
mod request;
mod response;
mod route;
mod routes;
mod schema;
mod server_certificate;
mod tls;

pub use app::{Answer, App};
pub use caller::{Caller, TlsClient};
pub use listener::{ADMIN, ConnectHandler, HTTPS, Https, Tunnel, serve_admin};
pub use page::CursorKey;
pub use request::{Method, Query, Request};
pub use response::{Body, Response};
pub use route::{Access, Route};
pub use routes::application;
pub use server_certificate::{CertificateFileError, CertificateFiles, FileFault};
pub use tls::{Tls, TlsSetupError, UPKEEP};

/// Finds and parses the head at the beginning of `bytes`.
#[cfg(fuzzing)]
pub(crate) fn read_head(bytes: &[u8]) {
    if let Some(length) = head::head_len(bytes) {
        let _ = head::Head::parse(&bytes[..length]);
    }
}
