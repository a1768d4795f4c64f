//! A node that was let in has the gateway look at it, or goes.

use std::net::IpAddr;

use mezite_api::join::{NodeConfirm, NodeLeave};
use mezite_api::{Node, Problem, ProblemCode};
use mezite_ca::Statement;
use uuid::Uuid;

use super::{TRIES, check, pinned_node};
use crate::connection::Services;
use crate::inventory::InventoryError;

/// Looks at the node that asks for it.
pub async fn confirm(services: &Services, id: Uuid, wanted: NodeConfirm) -> Result<Node, Problem> {
    let (request, node) = (wanted.request.to_string(), id.to_string());
    let statement = Statement::NodeConfirm { request: &request, node: &node };
    let node = pinned_node(services, id, &wanted.host_key, &statement)?;
    check(services, node, wanted.login, false).await
}

/// Removes the entry of the node that asks for it. A statement that is said again finds nothing: UUIDs are not used twice.
pub async fn leave(services: &Services, id: Uuid, wanted: NodeLeave, source: IpAddr) -> Result<(), Problem> {
    let (request, node) = (wanted.request.to_string(), id.to_string());
    let statement = Statement::NodeLeave { request: &request, node: &node };
    for _ in 0..TRIES {
        let node = pinned_node(services, id, &wanted.host_key, &statement)?;
        match services.inventory.leave_node(&node, &source.to_string()).await {
            Err(InventoryError::Changed) => {}
            other => return Ok(other?),
        }
    }
    Err(Problem::new(ProblemCode::Unavailable, "the node is being changed all the time; try again"))
}
