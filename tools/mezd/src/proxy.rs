//! `mezd proxy`: opens the way to a node for `ssh`, hands it the connection, and is gone.

use std::process::ExitCode;

use clap::Args;
use mezite_api::escape;
use mezite_identity::way;

/// For ssh's `ProxyCommand`, with `ProxyUseFdpass yes`.
#[derive(Args)]
pub(crate) struct Proxy {
    /// Where the gateway serves SSH: HOST:PORT
    gateway: String,
    /// The node: %h
    host: String,
    /// Its port: %p
    port: u16,
}

impl Proxy {
    pub(crate) fn run(&self) -> ExitCode {
        let opened = way::open(&self.gateway, &self.host, self.port);
        match opened.and_then(|stream| way::hand_over(&stream)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("mezd: {}: {}", escape(&self.gateway), escape(error.to_string()));
                ExitCode::FAILURE
            }
        }
    }
}
