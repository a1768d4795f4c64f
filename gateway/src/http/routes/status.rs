//! The gateway's state.

use std::net::SocketAddr;
use std::sync::Arc;

use mezite_api::status::Status;
use mezite_ca::SealSource;

use super::Admin;
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::request::{Method, Request};
use crate::http::response::Response;
use crate::inventory::Operator;
use crate::shared::Shared;

pub(super) fn add(admin: &mut Admin<'_>) {
    admin.route(Method::Get, "/v1/status", status);
}

async fn status(services: Arc<Services>, _: Operator, _: Request) -> Answer {
    let shared = &services.shared;
    let (connections, sessions) = services.connections.count();
    let addresses = shared.addresses.get();
    let status = Status {
        cluster: shared.config.cluster_name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ready: shared.is_ready(),
        started: shared.started,
        ssh: addresses.map(|addresses| addresses.ssh.to_string()).unwrap_or_default(),
        https: addresses.iter().flat_map(|known| &known.https).map(SocketAddr::to_string).collect(),
        connections,
        sessions,
        warnings: warnings(shared),
    };
    Ok(Response::json(200, &status))
}

fn warnings(shared: &Shared) -> Vec<String> {
    let unsealed = matches!(shared.config.seal, SealSource::Unsealed);
    let found = [
        (unsealed, "the private keys of the CAs are not sealed (--unsealed)"),
        (
            !shared.auditor.is_writable(),
            "the audit log cannot be written: changes and connections are refused",
        ),
    ];
    found.into_iter().filter(|(is_so, _)| *is_so).map(|(_, warning)| warning.to_owned()).collect()
}
