//! What nodes ask for by themselves: an entry, a look at them, their removal. They prove who they are by their host keys.
//! And the look itself, which administrators ask for too.

mod check;
mod join;
mod leave;

use mezite_api::bot::MAX_PROOF_BYTES;
use mezite_api::join::ProvenHostKey;
use mezite_api::{HostKey, Invalid, Node, Problem, ProblemCode};
use mezite_ca::{PublicKey, Statement};
use uuid::Uuid;

use crate::connection::Services;

pub use check::check;
pub use join::join;
pub use leave::{confirm, leave};

/// How often something is tried when somebody else changes what it is about.
const TRIES: usize = 8;

/// The key, and that whoever asks has it.
fn proven_key(proven: &ProvenHostKey, statement: &Statement<'_>) -> Result<PublicKey, Invalid> {
    let key = PublicKey::from_key_data(proven.key.key_data());
    let key = key.map_err(|error| Invalid::new("host_keys", error.to_string()))?;
    if proven.proof.len() > MAX_PROOF_BYTES || statement.verify(&key, &proven.proof).is_err() {
        return Err(Invalid::new("host_keys", "each must come with a signature of this request by that key"));
    }
    Ok(key)
}

/// The node of this UUID, where one of its pinned keys has signed the statement. Who has none of them hears nothing
/// else, whether there is such a node or not.
fn pinned_node(
    services: &Services,
    id: Uuid,
    proven: &ProvenHostKey,
    statement: &Statement<'_>,
) -> Result<Node, Problem> {
    let unproven = || {
        Problem::new(ProblemCode::Unauthenticated, "this is no signature by a pinned host key of the node")
    };
    proven_key(proven, statement).map_err(|_| unproven())?;
    let node = services.inventory.node_of_id(id)?;
    node.filter(|node| is_pinned(node, &proven.key)).ok_or_else(unproven)
}

fn is_pinned(node: &Node, key: &HostKey) -> bool {
    node.spec.host_keys.contains(key)
}
