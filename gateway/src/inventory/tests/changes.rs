use futures_util::future::join;
use mezite_actors::run;
use mezite_api::lock::LockAdd;
use mezite_api::node::{NodeSeen, NodeUpdate, RotateHostKey};
use mezite_api::user::UserUpdate;
use mezite_api::{LockTarget, Problem, ProblemCode};
use mezite_store::{Batch, Keyspace};

use super::*;
use crate::inventory::record;

fn code(error: InventoryError) -> ProblemCode {
    Problem::from(error).code
}

#[test]
fn hostile_039_of_two_adds_of_one_name_one_wins() {
    run(async {
        let cluster = Cluster::new();
        for round in 0..20 {
            let (small, capital) = (format!("web-{round}"), format!("WEB-{round}"));
            let (one, other) =
                join(cluster.node(&small, "a.example", ""), cluster.node(&capital, "b.example", "")).await;
            assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
            let loser = one.err().or(other.err()).unwrap();
            assert!(matches!(loser, InventoryError::NameTaken(_)));
            assert_eq!(code(loser), ProblemCode::Conflict);
        }
        assert_eq!(cluster.events("node.create").len(), 20);
        assert_eq!(cluster.inventory.nodes(Filter::default(), None, 1000).await.unwrap().0.len(), 20);
    });
}

#[test]
fn hostile_039_rotating_a_host_key_says_who_and_what() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let rotate = |key: &str| RotateHostKey {
            host_keys: vec![HostKey::parse(key).unwrap()],
            verify_host_key: false,
        };
        let operator = Operator::User(UserName::parse("bob").unwrap(), "192.0.2.7:4711".parse().unwrap());
        let node = node_ref("db-1");
        let rotated = cluster.inventory.rotate_host_key(&operator, &node, rotate(NEW_KEY)).await.unwrap();
        assert_eq!(rotated.spec.host_keys, rotate(NEW_KEY).host_keys);
        // The next connection believes only the new key.
        assert_eq!(
            cluster.access("alice", "deploy@db-1").await.unwrap().node.spec.host_keys,
            rotate(NEW_KEY).host_keys
        );
        let [event] = &cluster.events("node.hostkey.rotate")[..] else { panic!("one event") };
        let fingerprint = |key: &str| json!([HostKey::parse(key).unwrap().fingerprint().to_string()]);
        assert_eq!((&event["actor"], &event["source"]), (&json!("bob"), &json!("192.0.2.7:4711")));
        assert_eq!((&event["old"], &event["new"]), (&fingerprint(OLD_KEY), &fingerprint(NEW_KEY)));
        assert_eq!(event["node"], "db-1");
        // The node itself says when, and by whom; also when it is changed afterwards.
        let relabelled = NodeUpdate { labels: Some("a=1".parse().unwrap()), ..NodeUpdate::default() };
        cluster.inventory.update_node(&UID, &node, relabelled).await.unwrap();
        let kept = cluster.inventory.node(&node).unwrap().status.host_key_rotation.unwrap();
        assert_eq!((kept.by.as_str(), kept.time <= jiff::Timestamp::now()), ("bob", true));
        let no_keys = RotateHostKey { host_keys: vec![], verify_host_key: false };
        assert_eq!(
            code(cluster.inventory.rotate_host_key(&UID, &node, no_keys).await.unwrap_err()),
            ProblemCode::Invalid
        );
    });
}

#[test]
fn hostile_039_of_two_rotations_at_once_one_wins() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let (node, stale) = (node_ref("db-1"), cluster.inventory.node(&node_ref("db-1")).unwrap());
        let update = |labels: &str| NodeUpdate {
            labels: Some(labels.parse().unwrap()),
            revision: Some(stale.metadata.revision),
            ..NodeUpdate::default()
        };
        let (one, other) = join(
            cluster.inventory.update_node(&UID, &node, update("a=1")),
            cluster.inventory.update_node(&UID, &node, update("a=2")),
        )
        .await;
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
        assert_eq!(code(one.err().or(other.err()).unwrap()), ProblemCode::Conflict);
        assert_eq!(cluster.events("node.update").len(), 1);
    });
}

#[test]
fn every_change_has_exactly_one_event() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let (inventory, node) = (&cluster.inventory, node_ref("db-1"));
        let alice = UserName::parse("alice").unwrap();
        inventory.update_node(&UID, &node, NodeUpdate::default()).await.unwrap();
        inventory.remove_node(&UID, &node, None).await.unwrap();
        inventory.update_user(&UID, &alice, UserUpdate::default()).await.unwrap();
        inventory.remove_user(&UID, &alice, None).await.unwrap();
        cluster.role("ops", "  {}").await;
        inventory.remove_role(&UID, &"ops".parse().unwrap(), None).await.unwrap();
        let lock = request::parse(br#"{"target":{"user":"alice"},"message":"a\u001b[31mb"}"#).unwrap();
        let lock = inventory.add_lock(&UID, lock).await.unwrap();
        inventory.remove_lock(&UID, lock.id).await.unwrap();
        for (kind, count) in [
            ("node.create", 2),
            ("node.update", 1),
            ("node.delete", 1),
            ("role.create", 1),
            ("role.update", 1),
            ("role.delete", 1),
            ("user.create", 1),
            ("user.update", 1),
            ("user.delete", 1),
            ("lock.create", 1),
            ("lock.delete", 1),
        ] {
            let events = cluster.events(kind);
            assert_eq!(events.len(), count, "{kind}");
            assert!(events.iter().all(|event| event["actor"] == 1000 && event["outcome"] == "ok"), "{kind}");
        }
        assert_eq!(cluster.event_count(), 12);
        assert_eq!(cluster.events("lock.create")[0]["message"], "a\\x1b[31mb");
        assert_eq!(cluster.events("user.create")[0]["subject"], "alice");
    });
}

#[test]
fn what_is_refused_leaves_neither_record_nor_event() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let (before, inventory) = (cluster.event_count(), &cluster.inventory);
        let alice = UserName::parse("alice").unwrap();
        let put = |yaml: &str, replace, revision| RolePut { yaml: yaml.into(), replace, revision };
        let ops = "kind: role\nmetadata: {name: ops}\n";
        let roles = |roles: &[&str]| UserUpdate {
            roles: Some(roles.iter().map(|role| role.parse().unwrap()).collect()),
            ..UserUpdate::default()
        };
        let stale = UserUpdate { revision: Some(1), ..UserUpdate::default() };

        let refused = [
            (cluster.user("bob", &["ops", "ghost"]).await.map(drop), ProblemCode::Invalid),
            (cluster.user("Alice", &[]).await.map(drop), ProblemCode::Conflict),
            (inventory.update_user(&UID, &alice, roles(&["ghost"])).await.map(drop), ProblemCode::Invalid),
            (inventory.update_user(&UID, &alice, stale).await.map(drop), ProblemCode::Conflict),
            (
                inventory.remove_user(&UID, &UserName::parse("bob").unwrap(), None).await,
                ProblemCode::NotFound,
            ),
            (inventory.put_role(&UID, put(ops, false, None)).await.map(drop), ProblemCode::Conflict),
            (inventory.put_role(&UID, put(ops, true, Some(99))).await.map(drop), ProblemCode::Conflict),
            (inventory.put_role(&UID, put(ops, false, Some(1))).await.map(drop), ProblemCode::Invalid),
            (
                inventory.put_role(&UID, put("kind: role\nspec: {}\n", false, None)).await.map(drop),
                ProblemCode::Invalid,
            ),
            (
                inventory
                    .put_role(&UID, put("kind: role\nmetadata: {name: admin}\n", true, None))
                    .await
                    .map(drop),
                ProblemCode::Conflict,
            ),
            (inventory.remove_role(&UID, &"auditor".parse().unwrap(), None).await, ProblemCode::Conflict),
            (inventory.remove_role(&UID, &"ghost".parse().unwrap(), None).await, ProblemCode::NotFound),
            (inventory.remove_node(&UID, &node_ref("nowhere"), None).await, ProblemCode::NotFound),
            (inventory.remove_lock(&UID, uuid::Uuid::nil()).await, ProblemCode::NotFound),
        ];
        for (index, (outcome, expected)) in refused.into_iter().enumerate() {
            assert_eq!(outcome.map_err(code), Err(expected), "case {index}");
        }
        assert_eq!(cluster.event_count(), before);
        assert_eq!(inventory.users().unwrap().len(), 1);
        assert_eq!(inventory.user(&alice).unwrap().roles.len(), 1);
    });
}

#[test]
fn lists_and_gets_show_what_was_stored() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let names: Vec<_> = cluster
            .inventory
            .roles()
            .unwrap()
            .into_iter()
            .map(|role| (role.name.to_string(), role.built_in))
            .collect();
        assert_eq!(names, [("admin".into(), true), ("auditor".into(), true), ("ops".into(), false)]);
        let ops = cluster.inventory.role(&"ops".parse().unwrap()).unwrap();
        assert!(ops.revision > 0);
        assert_eq!(ops.document["spec"]["allow"]["logins"], json!(["deploy", "root"]));

        let listed = cluster
            .inventory
            .nodes(Filter::new("env=prod".parse().unwrap(), "").unwrap(), None, 1000)
            .await
            .unwrap()
            .0;
        assert_eq!(listed, [cluster.inventory.node(&node_ref("db-1")).unwrap()]);
        assert!(listed[0].metadata.revision > 0);
        assert_eq!(cluster.inventory.nodes(Filter::default(), None, 1000).await.unwrap().0.len(), 2);
    });
}

#[test]
fn what_was_seen_of_a_node_is_kept_apart_and_goes_with_it() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let node = cluster.inventory.node(&node_ref("db-1")).unwrap();
        let seen = NodeSeen {
            time: Timestamp::now(),
            software: "SSH-2.0-OpenSSH_9.2".into(),
            host_keys: vec!["SHA256:x".into()],
            trusts: None,
            check: None,
            ca_keys: Vec::new(),
        };
        let before = cluster.event_count();
        cluster.inventory.note_seen(node.id(), &seen).await.unwrap();
        assert_eq!(cluster.event_count(), before);
        let known = cluster.inventory.node(&node_ref("db-1")).unwrap();
        assert_eq!(
            (known.status.seen, known.metadata.revision),
            (Some(seen.clone()), node.metadata.revision)
        );
        cluster.inventory.remove_node(&UID, &node_ref("db-1"), None).await.unwrap();
        assert!(cluster.inventory.note_seen(node.id(), &seen).await.is_err());
    });
}

#[test]
fn a_lock_that_has_expired_stands_in_nobodys_way() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let id = uuid::Uuid::from_u128(7);
        let lock = || LockAdd { id: Some(id), ..LockAdd::on(LockTarget::User("mallory".parse().unwrap())) };
        let mut made = cluster.inventory.add_lock(&UID, lock()).await.unwrap();
        let again = cluster.inventory.add_lock(&UID, lock()).await.unwrap_err();
        assert_eq!(code(again), ProblemCode::Conflict);
        made.expires = Some(made.created);
        let batch = Batch::new().put(Keyspace::Locks, id.to_string().as_bytes(), record::encode(&made));
        cluster.store.commit(batch).await.unwrap();
        assert!(cluster.inventory.lock(id).is_err());
        cluster.inventory.add_lock(&UID, lock()).await.unwrap();
        assert_eq!(cluster.inventory.lock(id).unwrap().expires, None);
        let past = LockAdd { replace: true, expires: Some(made.created), ..lock() };
        let past = cluster.inventory.add_lock(&UID, past).await.unwrap_err();
        assert_eq!(code(past), ProblemCode::Invalid);
    });
}
