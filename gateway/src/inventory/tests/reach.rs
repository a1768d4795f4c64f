//! What can be reached: what is shown of it, and that nothing else is.

use mezite_actors::run;
use mezite_api::lock::LockAdd;
use mezite_api::node::NodeSpec;
use mezite_api::{Labels, Node, Reachable, request};
use mezite_store::{Batch, Keyspace};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Cluster, UID, subject};
use crate::inventory::index::{name_key, node_key};
use crate::inventory::{Filter, ReachPage, Refusal, record};

impl Cluster {
    async fn page(
        &self,
        user: &str,
        (labels, search): (&str, &str),
        after: Option<String>,
        limit: usize,
    ) -> Result<ReachPage, Refusal> {
        let filter = Filter::new(labels.parse().unwrap(), search).unwrap();
        let reach = self.inventory.reach(subject(user)).await?;
        Ok(self.inventory.reachable(reach, filter, after, limit).await.unwrap())
    }

    async fn shown(&self, user: &str, filter: (&str, &str)) -> Vec<String> {
        let page = self.page(user, filter, None, 1000).await.unwrap();
        assert_eq!(page.next, None);
        page.nodes.iter().map(shown).collect()
    }

    async fn lock(&self, add: Value) {
        let add: LockAdd = request::parse(add.to_string().as_bytes()).unwrap();
        self.inventory.add_lock(&UID, add).await.unwrap();
    }
}

fn shown(node: &Reachable) -> String {
    let logins: Vec<&str> = node.logins.iter().map(mezite_api::Login::as_str).collect();
    format!("{} {}", node.name, logins.join(","))
}

#[test]
fn hostile_008_nodes_that_are_hidden_are_in_no_list() {
    run(async {
        let cluster = Cluster::with_alice().await;
        for filter in [("", ""), ("", "DB"), ("env=prod", ""), ("", "env=PROD")] {
            assert_eq!(cluster.shown("alice", filter).await, ["db-1 deploy,root"], "{filter:?}");
        }
        for filter in [("", "secret"), ("env=secret", ""), ("env=prod", "nothing"), ("", "10.0.0.7")] {
            assert!(cluster.shown("alice", filter).await.is_empty(), "{filter:?}");
        }
        // That a hidden one follows does not show either.
        let page = cluster.page("alice", ("", ""), None, 1).await.unwrap();
        assert_eq!((page.nodes.len(), page.next), (1, None));
    });
}

#[test]
fn hostile_089_what_a_role_denies_is_not_shown() {
    run(async {
        let cluster = Cluster::with_alice().await;
        cluster.node("db-2", "10.0.0.9", "env=prod,team=x").await.unwrap();
        cluster.role("less", "  deny: {node_labels: {team: x}, logins: [root]}").await;
        cluster.role("other", "  allow: {node_labels: {env: secret}, logins: [backup, root]}").await;
        cluster.user("bob", &["ops", "less", "other"]).await.unwrap();
        // Logins of one role do not go with the nodes of another.
        assert_eq!(cluster.shown("bob", ("", "")).await, ["db-1 deploy", "secret backup"]);
        assert_eq!(cluster.shown("alice", ("", "")).await, ["db-1 deploy,root", "db-2 deploy,root"]);
        cluster.role("joined", "  options: {require_session_join: [{name: a, filter: 'x', kinds: [ssh], count: 1, modes: [moderator], on_leave: terminate}]}\n  allow: {node_labels: {env: prod}, logins: [deploy]}").await;
        cluster.user("carol", &["joined"]).await.unwrap();
        assert!(cluster.shown("carol", ("", "")).await.is_empty(), "what would be refused is not shown");
    });
}

#[test]
fn hostile_008_locks_refuse_the_user_and_hide_logins_and_nodes() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let db_2 = cluster.node("db-2", "10.0.0.9", "env=prod").await.unwrap();
        cluster.lock(json!({"target": {"login": "root"}})).await;
        cluster.lock(json!({"target": {"node": db_2.id()}})).await;
        assert_eq!(cluster.shown("alice", ("", "")).await, ["db-1 deploy"]);
        cluster.lock(json!({"target": {"user": "alice"}, "message": "call 4711"})).await;
        let refused = cluster.page("alice", ("", ""), None, 10).await.unwrap_err();
        assert_eq!(refused, Refusal::Locked(Some("call 4711".into())));
        assert_eq!(cluster.page("nobody", ("", ""), None, 10).await.unwrap_err(), Refusal::UnknownUser);
    });
}

#[test]
fn of_many_nodes_each_page_looks_at_few() {
    const NODES: usize = 100_000;
    run(async {
        let cluster = Cluster::with_alice().await;
        let node = |number: usize| {
            // Alice may see one of a thousand.
            let env = if number.is_multiple_of(1000) { "env=prod" } else { "env=test" };
            let spec = NodeSpec {
                hostname: format!("n-{number:06}").parse().unwrap(),
                addr: "10.0.0.1:22".parse().unwrap(),
                host_keys: Vec::new(),
                host_ca: false,
            };
            Node::new(Uuid::new_v4(), env.parse::<Labels>().unwrap(), spec)
        };
        for thousand in (0..NODES).step_by(1000) {
            let batch = (thousand..thousand + 1000).map(node).fold(Batch::new(), |batch, node| {
                let key = node_key(node.id());
                let name = name_key(&node.spec.hostname);
                batch.put(Keyspace::NodeIndex, &name, key.clone()).put(
                    Keyspace::Nodes,
                    &key,
                    record::encode(&node),
                )
            });
            cluster.store.commit(batch).await.unwrap();
        }
        let (mut all, mut pages, mut looked, mut after) = (Vec::new(), 0, 0, None);
        loop {
            let page = cluster.page("alice", ("", "n-"), after, 3).await.unwrap();
            assert!(page.looked <= 4096, "{}", page.looked);
            looked += page.looked;
            pages += 1;
            all.extend(page.nodes.iter().map(|node| node.name.to_string()));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let wanted: Vec<_> = (0..NODES).step_by(1000).map(|number| format!("n-{number:06}")).collect();
        assert_eq!(all, wanted);
        assert!(pages <= 40 && looked <= 2 * NODES, "{pages} pages, {looked} nodes");
    });
}
