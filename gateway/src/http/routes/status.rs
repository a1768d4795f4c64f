//! The gateway's state.

use std::net::SocketAddr;
use std::sync::Arc;

use mezite_access::{Resource, Verb};
use mezite_api::status::Status;
use mezite_ca::SealSource;

use super::Api;
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::Route;
use crate::inventory::Operator;
use crate::shared::Shared;

pub(super) fn add(api: &mut Api<'_>) {
    api.rule(
        Route::get("/v1/status", "Shows the state of the gateway"),
        (Resource::Gateway, Verb::Read),
        status,
    );
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
        ca_pin: shared.authority.tls_pin().to_string(),
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
