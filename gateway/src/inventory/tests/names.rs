use mezite_actors::run;
use mezite_api::node::NodeUpdate;

use super::*;

#[test]
fn a_node_answers_to_each_of_its_names() {
    run(async {
        let cluster = Cluster::new();
        let id = cluster.node("Db-1", "Db.Internal 2222", "").await.unwrap().id();
        cluster.node("db-2", "10.0.0.7", "").await.unwrap();
        let found = |text: &str| cluster.inventory.node(&node_ref(text)).map(|node| node.id());
        for name in [
            id.to_string().as_str(),
            "Db-1",
            "db-1",
            "DB-1:3022",
            "db-1.main.example",
            "db-1.MAIN.EXAMPLE:22",
            "db.internal",
            "DB.INTERNAL:22",
        ] {
            assert_eq!(found(name).unwrap(), id, "{name}");
        }
        for name in ["10.0.0.7", "10.0.0.7:22", "10.0.0.7:3022", "[::ffff:10.0.0.7]:22"] {
            assert_ne!(found(name).unwrap(), id, "{name}");
        }
        for name in ["db", "db-1.other.example", "main.example", "db-1x", "internal", "10.0.0.70", "10.0.0"] {
            let node = NodeRef::parse(name);
            assert!(node.is_err() || matches!(found(name), Err(InventoryError::NotFound("node"))), "{name}");
        }
    });
}

#[test]
fn a_uuid_comes_before_a_name_and_a_name_before_an_address() {
    run(async {
        let cluster = Cluster::new();
        let named = cluster.node("web", "a.example", "").await.unwrap();
        cluster.node("other", "web", "").await.unwrap();
        assert_eq!(cluster.inventory.node(&node_ref("web")).unwrap().id(), named.id());
    });
}

#[test]
fn a_port_counts_only_where_it_tells_nodes_apart() {
    run(async {
        let cluster = Cluster::with_alice().await;
        cluster.node("port-a", "10.9.9.9 2201", "env=prod").await.unwrap();
        cluster.node("port-b", "10.9.9.9 2202", "env=prod").await.unwrap();
        assert_eq!(
            cluster.access("alice", "deploy@10.9.9.9:2202").await.unwrap().node.spec.hostname.as_str(),
            "port-b"
        );
        assert_eq!(cluster.access("alice", "deploy@10.9.9.9:22").await.unwrap_err(), Refusal::Ambiguous(2));
        assert_eq!(cluster.access("alice", "deploy@10.9.9.9").await.unwrap_err(), Refusal::Ambiguous(2));
        assert!(matches!(cluster.inventory.node(&node_ref("10.9.9.9")), Err(InventoryError::Ambiguous(2))));
    });
}

#[test]
fn hostile_008_nodes_that_are_hidden_do_not_make_an_address_ambiguous() {
    run(async {
        let cluster = Cluster::with_alice().await;
        cluster.node("shown", "10.9.9.9", "env=prod").await.unwrap();
        for hidden in ["hidden-a", "hidden-b"] {
            cluster.node(hidden, "10.9.9.9 2222", "env=secret").await.unwrap();
        }
        assert_eq!(
            cluster.access("alice", "deploy@10.9.9.9").await.unwrap().node.spec.hostname.as_str(),
            "shown"
        );
        cluster.inventory.remove_node(&UID, &node_ref("shown"), None).await.unwrap();
        assert_eq!(cluster.access("alice", "deploy@10.9.9.9").await.unwrap_err(), Refusal::UnknownNode);
    });
}

#[test]
fn names_follow_changes_of_the_address_and_go_with_the_node() {
    run(async {
        let cluster = Cluster::new();
        cluster.node("web", "old.example", "a=b").await.unwrap();
        let update = NodeUpdate { host: Some("new.example".parse().unwrap()), ..NodeUpdate::default() };
        let updated = cluster.inventory.update_node(&UID, &node_ref("web"), update).await.unwrap();
        assert_eq!(updated.spec.addr.to_string(), "new.example:22");
        assert_eq!(updated.metadata.labels.get("a"), Some("b"));
        assert!(cluster.inventory.node(&node_ref("old.example")).is_err());
        assert_eq!(cluster.inventory.node(&node_ref("new.example")).unwrap(), updated);
        // Nothing changes the second time.
        let again =
            cluster.inventory.update_node(&UID, &node_ref("web"), NodeUpdate::default()).await.unwrap();
        assert_eq!(cluster.inventory.node(&node_ref("new.example")).unwrap(), again);

        cluster.inventory.remove_node(&UID, &node_ref("web"), None).await.unwrap();
        for name in ["web", "new.example"] {
            assert!(matches!(cluster.inventory.node(&node_ref(name)), Err(InventoryError::NotFound("node"))));
        }
        assert!(cluster.node("WEB", "new.example", "").await.is_ok());
    });
}
