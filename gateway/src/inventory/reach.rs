//! What a user can reach: which nodes, and as whom on each. Decided by what decides when they come.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mezite_access::{CompiledRole, Matches, UserFacts, reach};
use mezite_actors::blocking;
use mezite_api::reachable::ReachableSeen;
use mezite_api::{Labels, Login, Node, Reachable, User};
use mezite_store::Store;
use uuid::Uuid;

use super::filter::Filter;
use super::nodes::{PAGE, page_of_nodes};
use super::view::within_reach;
use super::{Inventory, InventoryError, Message, Refusal, Subject};

/// How many nodes are looked at for one page, rounded up to what is read at once.
const LOOKED_MAX: usize = 4096;

/// A user with everything that decides about nodes, as it is at one moment.
#[derive(Debug)]
pub struct Reach {
    pub(super) user: Arc<User>,
    pub(super) roles: Vec<Arc<CompiledRole>>,
    pub(super) locked_logins: HashSet<Login>,
    pub(super) locked_nodes: HashSet<Uuid>,
}

/// Some nodes that can be reached.
#[derive(Debug)]
pub struct ReachPage {
    /// By name.
    pub nodes: Vec<Reachable>,
    /// The name to go on behind while there may be more. It may be that of a node that cannot be reached.
    pub next: Option<String>,
    /// How many nodes were looked at.
    pub looked: usize,
}

impl Inventory {
    /// Who a certificate means, with what decides for them. Refused as access is.
    pub async fn reach(&self, subject: Subject) -> Result<Reach, Refusal> {
        let (asked, kept) = (subject.clone(), subject);
        let reach = self.decision(|reply| Message::Reach(asked, reply)).await?;
        self.admit_subject(&kept).await?;
        Ok(reach)
    }

    /// At most `limit` of the nodes that can be reached, by name, behind the node of the name `after`. There may be fewer
    /// although there are more: only so many are looked at.
    pub async fn reachable(
        &self,
        reach: Reach,
        filter: Filter,
        after: Option<String>,
        limit: usize,
    ) -> Result<ReachPage, InventoryError> {
        let store = self.store.clone();
        blocking::run(move || reach.page(&store, &filter, after.unwrap_or_default(), limit)).await
    }
}

impl Reach {
    fn page(
        &self,
        store: &Store,
        filter: &Filter,
        mut last: String,
        limit: usize,
    ) -> Result<ReachPage, InventoryError> {
        let mut page = ReachPage { nodes: Vec::new(), next: None, looked: 0 };
        let mut decided = HashMap::new();
        while page.looked < LOOKED_MAX {
            let (names, nodes) = page_of_nodes(store, &last)?;
            page.looked += nodes.len();
            for (name, node) in nodes {
                let wanted = node.filter(|node| filter.wants(node));
                if let Some(node) = wanted.and_then(|node| self.look_at(node, &mut decided)) {
                    if page.nodes.len() == limit {
                        page.next = Some(last);
                        return Ok(page);
                    }
                    page.nodes.push(node);
                }
                last = name;
            }
            if names < PAGE {
                return Ok(page);
            }
        }
        page.next = Some(last);
        Ok(page)
    }

    /// The node as it is shown; nothing where it cannot be reached.
    fn look_at(&self, node: Node, decided: &mut HashMap<Matches, Vec<Login>>) -> Option<Reachable> {
        if self.locked_nodes.contains(&node.id()) {
            return None;
        }
        let labels = &node.metadata.labels;
        let logins = decided.entry(Matches::of(&self.facts(), labels)).or_insert_with(|| self.logins(labels));
        let seen = node.status.seen.map(|seen| ReachableSeen { time: seen.time, software: seen.software });
        (!logins.is_empty()).then(|| Reachable {
            id: node.metadata.name,
            name: node.spec.hostname,
            sub_kind: node.sub_kind,
            labels: node.metadata.labels,
            logins: logins.clone(),
            seen,
        })
    }

    fn logins(&self, labels: &Labels) -> Vec<Login> {
        let allowed = reach(&self.facts(), labels).into_iter();
        let kept = allowed.filter_map(|(login, permits)| {
            within_reach(permits, self.user.kind).ok().filter(|_| !self.locked_logins.contains(&login))?;
            Some(login)
        });
        kept.collect()
    }

    fn facts(&self) -> UserFacts<'_> {
        let User { name, traits, logins, .. } = &*self.user;
        UserFacts { name, roles: &self.roles, traits, logins }
    }
}
