//! What is seen of a node when a connection goes there: kept apart from what is configured, and never trusted.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mezite_api::node::{NodeSeen, TrustedBy};
use mezite_api::{Node, escape};
use mezite_ca::CaKind;
use mezite_ssh::hostkey;

use super::Services;
use super::authentication::Entered;

/// The same sight is not written again within this time.
const FRESH: SignedDuration = SignedDuration::from_mins(1);

/// What a connection has seen so far.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    node: uuid::Uuid,
    before: Option<NodeSeen>,
    now: NodeSeen,
}

impl Sight {
    /// When the node has let us in.
    pub(super) fn new(entered: &Entered) -> Self {
        let node: &Node = &entered.grant.node;
        let before = node.status.seen.clone();
        let software = escape(entered.dialled.leg.engine.peer_line().unwrap_or_default());
        let host_keys = before.as_ref().map(|seen| seen.host_keys.clone()).unwrap_or_default();
        let trusts = match entered.dialled.opened_by {
            CaKind::User => TrustedBy::User,
            _ => TrustedBy::OpenSsh,
        };
        let check = before.as_ref().and_then(|seen| seen.check.clone());
        let ca_keys = before.as_ref().map(|seen| seen.ca_keys.clone()).unwrap_or_default();
        let mut now =
            NodeSeen { time: Timestamp::now(), software, host_keys, trusts: Some(trusts), check, ca_keys };
        now.takes(&entered.dialled.ca_key);
        Self { node: node.id(), before, now }
    }

    /// The node has announced its host keys.
    pub(super) fn host_keys(&mut self, blobs: &[Vec<u8>]) {
        self.now.host_keys = blobs.iter().map(|blob| hostkey::fingerprint(blob)).collect();
    }

    /// Keeps it, where it says something new.
    pub(super) fn keep(&mut self, services: &Arc<Services>) {
        let known = self.before.as_ref().is_some_and(|before| {
            let age = self.now.time.duration_since(before.time);
            let same = NodeSeen { time: before.time, ..self.now.clone() } == *before;
            same && age < FRESH
        });
        if known {
            return;
        }
        self.before = Some(self.now.clone());
        let (services, node, seen) = (services.clone(), self.node, self.now.clone());
        let keep = async move {
            if let Err(error) = services.inventory.note_seen(node, &seen).await {
                log::debug!(error:%; "what was seen of a node is not kept");
            }
        };
        mezite_actors::spawn("node seen", keep).detach();
    }
}
