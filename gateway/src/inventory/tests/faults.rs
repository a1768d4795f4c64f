use mezite_actors::run;
use mezite_store::{Batch, Keyspace};

use super::*;

async fn overwrite(cluster: &Cluster, keyspace: Keyspace, key: &str, value: &str) {
    cluster.store.commit(Batch::new().put(keyspace, key.as_bytes(), value)).await.unwrap();
}

#[test]
fn a_role_that_cannot_be_read_refuses_whoever_has_it() {
    run(async {
        let cluster = Cluster::with_alice().await;
        cluster.role("deny", "  deny: {logins: [root]}").await;
        cluster.user("bob", &["ops", "deny"]).await.unwrap();
        assert!(matches!(cluster.access("bob", "root@db-1").await, Err(Refusal::Role(_))));
        // Of a newer form, not JSON, and the role of another name.
        for broken in [
            "{\"schema\":2,\"value\":{}}",
            "nonsense",
            "{\"schema\":1,\"value\":{\"kind\":\"role\",\"metadata\":{\"name\":\"x\"}}}",
        ] {
            overwrite(&cluster, Keyspace::Roles, "deny", broken).await;
            assert!(
                matches!(cluster.access("bob", "root@db-1").await, Err(Refusal::Unavailable(_))),
                "{broken}"
            );
            assert!(cluster.access("alice", "root@db-1").await.is_ok());
        }
        assert!(matches!(
            cluster.inventory.role(&"deny".parse().unwrap()),
            Err(InventoryError::Unreadable { .. })
        ));
    });
}

#[test]
fn a_lock_that_cannot_be_read_refuses_everybody_until_it_is_removed() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let id = uuid::Uuid::new_v4();
        overwrite(&cluster, Keyspace::Locks, &id.to_string(), "nonsense").await;
        assert!(matches!(cluster.access("alice", "deploy@db-1").await, Err(Refusal::Unavailable(_))));
        cluster.inventory.remove_lock(&UID, id).await.unwrap();
        assert!(cluster.access("alice", "deploy@db-1").await.is_ok());
    });
}

#[test]
fn a_user_or_node_that_cannot_be_read_is_none() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let id = cluster.inventory.node(&node_ref("db-1")).unwrap().id();
        overwrite(&cluster, Keyspace::Nodes, &id.to_string(), "nonsense").await;
        assert_eq!(cluster.access("alice", "deploy@db-1").await.unwrap_err(), Refusal::UnknownNode);
        assert_eq!(cluster.inventory.nodes(Filter::default(), None, 1000).await.unwrap().0.len(), 1);
        overwrite(&cluster, Keyspace::Users, "alice", "nonsense").await;
        assert_eq!(cluster.access("alice", "deploy@db-1").await.unwrap_err(), Refusal::UnknownUser);
    });
}

#[test]
fn missed_changes_are_read_anew() {
    run(async {
        let cluster = Cluster::with_alice().await;
        assert!(cluster.access("alice", "root@db-1").await.is_ok());
        cluster.role("ops", "  allow: {node_labels: {env: prod}, logins: [deploy]}").await;
        // More changes than a watch keeps.
        let many = (0..10_000_u32)
            .fold(Batch::new(), |batch, n| batch.put(Keyspace::Meta, &n.to_be_bytes(), b"x".as_slice()));
        cluster.store.commit(many).await.unwrap();
        assert!(matches!(cluster.access("alice", "root@db-1").await, Err(Refusal::Role(_))));
        assert!(cluster.access("alice", "deploy@db-1").await.is_ok());
    });
}

#[test]
fn a_later_start_finds_everything() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let again = Inventory::start(&cluster.supervisor, &cluster.store, "main.example").unwrap();
        assert!(again.authorize(asking("alice", "deploy@db-1.main.example")).await.is_ok());
    });
}

#[test]
fn nobody_is_let_in_when_the_actor_is_gone() {
    run(async {
        let cluster = Cluster::with_alice().await;
        cluster.supervisor.drain();
        cluster.supervisor.cut(Duration::ZERO).await;
        let refused = cluster.access("alice", "deploy@db-1").await.unwrap_err();
        assert_eq!(refused.reason(), "unavailable");
        assert_eq!(
            line(&refused, "deploy@db-1"),
            "access refused: the gateway cannot decide now. Try again later"
        );
    });
}

#[test]
fn hostile_107_a_full_store_still_takes_locks() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let options =
            Options { map_size: 1 << 20, map_limit: 2 << 20, reserve: 1 << 20, ..Options::default() };
        let store = Store::open(folder.path().join("store"), options).unwrap();
        let inventory = Inventory::start(&Supervisor::new(), &store, "main").unwrap();
        let filled = (0..1_000_u32).find(|n| {
            let put = Batch::new().put(Keyspace::Meta, &n.to_be_bytes(), vec![7; 16 << 10]);
            store.commit(put).wait().is_err()
        });
        assert!(filled.is_some());

        let add = |name: &str| request::parse(json!({ "name": name }).to_string().as_bytes()).unwrap();
        let mut refused = None;
        for n in 0..1_000 {
            if let Err(error) = inventory.add_user(&UID, add(&format!("user-{n}"))).await {
                refused = Some(mezite_api::Problem::from(error).code);
                break;
            }
        }
        assert_eq!(refused, Some(mezite_api::ProblemCode::StoreFull));
        let lock = request::parse(br#"{"target":{"user":"user-0"}}"#).unwrap();
        let lock = inventory.add_lock(&UID, lock).await.unwrap();
        inventory.remove_lock(&UID, lock.id).await.unwrap();
    });
}
