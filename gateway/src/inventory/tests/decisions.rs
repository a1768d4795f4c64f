use mezite_access::{RecordMode, Resource, Verb};
use mezite_actors::run;
use mezite_api::lock::LockAdd;
use mezite_api::user::UserUpdate;

use jiff::SignedDuration;
use uuid::Uuid;

use super::*;
use crate::inventory::{Serial, Shown};

#[test]
fn what_roles_allow_is_granted_with_their_permits() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let grant = cluster.access("alice", "deploy@db-1").await.unwrap();
        assert_eq!((grant.user.name.as_str(), grant.login.as_str()), ("alice", "deploy"));
        assert_eq!(grant.node.spec.hostname.as_str(), "db-1");
        assert_eq!(grant.permits.record, RecordMode::Strict);
    });
}

#[test]
fn hostile_008_a_hidden_node_and_one_that_does_not_exist_are_refused_alike() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let unknown = cluster.access("alice", "deploy@nowhere").await.unwrap_err();
        let hidden = cluster.access("alice", "deploy@secret").await.unwrap_err();
        let login = cluster.access("alice", "postgres@db-1").await.unwrap_err();

        let shown = |refusal: &Refusal| line(refusal, "deploy@anything");
        assert_eq!(shown(&unknown), shown(&hidden));
        assert_eq!(shown(&login), shown(&hidden));
        assert_eq!(
            line(&login, "postgres@db-1"),
            "access refused: alice may not log in as postgres on db-1. \
             Ask an administrator ('mezctl access explain alice postgres@db-1')"
        );
        // The audit has the true reason.
        let reasons = [&unknown, &hidden, &login].map(|refusal| (refusal.reason(), refusal.event_type()));
        assert_eq!(
            reasons,
            [("unknown_node", "access.refuse"), ("labels", "access.refuse"), ("login", "access.refuse")]
        );
    });
}

#[test]
fn hostile_008_a_lock_on_a_hidden_node_does_not_show_it() {
    run(async {
        let cluster = Cluster::with_alice().await;
        for node in ["db-1", "secret"] {
            let id = cluster.inventory.node(&node_ref(node)).unwrap().id();
            lock(&cluster, serde_json::json!({"target": {"node": id}, "message": "repairs"})).await;
        }
        let locked = cluster.access("alice", "deploy@db-1").await.unwrap_err();
        assert_eq!(line(&locked, "deploy@db-1"), "access refused: locked: repairs. Ask an administrator");
        assert!(matches!(cluster.access("alice", "deploy@secret").await, Err(Refusal::Hidden(_))));
    });
}

async fn lock(cluster: &Cluster, add: Value) -> mezite_api::Lock {
    let add: LockAdd = request::parse(add.to_string().as_bytes()).unwrap();
    cluster.inventory.add_lock(&UID, add).await.unwrap()
}

#[test]
fn hostile_008_a_locked_user_is_refused_whatever_is_asked_for() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let targets = [json!({"user": "alice"}), json!({"role": "ops"}), json!({"source_ip": "192.0.2.1"})];
        for target in targets {
            let made = lock(&cluster, json!({"target": target, "ttl": "1h"})).await;
            for asked in ["deploy@db-1", "deploy@secret", "deploy@nowhere"] {
                assert_eq!(
                    cluster.access("alice", asked).await.unwrap_err(),
                    Refusal::Locked(None),
                    "{target}"
                );
            }
            assert_eq!(cluster.inventory.identify(subject("alice")).await, Err(Refusal::Locked(None)));
            let issued =
                cluster.inventory.issuance(subject("alice").user, Some(subject("alice").source)).await;
            assert_eq!(issued, Err(Refusal::Locked(None)));
            cluster.inventory.remove_lock(&UID, made.id).await.unwrap();
            assert!(cluster.access("alice", "deploy@db-1").await.is_ok());
        }
        for other in [
            json!({"user": "bob"}),
            json!({"bot": "alice"}),
            json!({"login": "root"}),
            json!({"source_ip": "192.0.2.2"}),
        ] {
            lock(&cluster, json!({"target": other})).await;
        }
        assert!(cluster.access("alice", "deploy@db-1").await.is_ok());
        assert_eq!(cluster.access("alice", "root@db-1").await.unwrap_err(), Refusal::Locked(None));
    });
}

#[test]
fn a_lock_that_ran_out_has_no_effect() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let made = lock(&cluster, json!({"target": {"user": "alice"}, "ttl": "1h"})).await;
        assert_eq!(cluster.inventory.locks().unwrap(), std::slice::from_ref(&made));
        let over = mezite_api::Lock { expires: Some(made.created), ..made };
        let key = over.id.hyphenated().to_string();
        let batch = mezite_store::Batch::new().put(
            mezite_store::Keyspace::Locks,
            key.as_bytes(),
            super::super::record::encode(&over),
        );
        cluster.store.commit(batch).await.unwrap();
        assert!(cluster.access("alice", "deploy@db-1").await.is_ok());
        assert!(cluster.inventory.locks().unwrap().is_empty());
    });
}

#[test]
fn a_change_counts_from_the_next_decision_on() {
    run(async {
        let cluster = Cluster::with_alice().await;
        assert!(cluster.access("alice", "root@db-1").await.is_ok());
        cluster.role("ops", "  allow: {node_labels: {env: prod}, logins: [deploy]}").await;
        assert!(matches!(cluster.access("alice", "root@db-1").await, Err(Refusal::Role(_))));
        cluster.inventory.remove_role(&UID, &"ops".parse().unwrap(), None).await.unwrap();
        assert!(matches!(cluster.access("alice", "deploy@db-1").await, Err(Refusal::Hidden(_))));

        cluster.role("ops", "  allow: {node_labels: {env: prod}, logins: [deploy]}").await;
        assert!(cluster.access("alice", "deploy@db-1").await.is_ok());
        let alice = UserName::parse("alice").unwrap();
        let disable = UserUpdate { disabled: Some(true), ..UserUpdate::default() };
        cluster.inventory.update_user(&UID, &alice, disable).await.unwrap();
        assert_eq!(cluster.access("alice", "deploy@db-1").await.unwrap_err(), Refusal::Disabled);
        cluster.inventory.remove_user(&UID, &alice, None).await.unwrap();
        assert_eq!(cluster.access("alice", "deploy@db-1").await.unwrap_err(), Refusal::UnknownUser);
    });
}

#[test]
fn a_user_who_was_made_again_does_not_inherit_certificates() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let hour = jiff::SignedDuration::from_hours(1);
        let mut old = asking("alice", "deploy@db-1");
        old.subject.credential.valid_after = Timestamp::now() - hour;
        assert_eq!(cluster.inventory.authorize(old).await.unwrap_err(), Refusal::OtherUser);
        // A certificate begins a minute before it was made.
        let mut new = asking("alice", "deploy@db-1");
        new.subject.credential.valid_after = Timestamp::now() - jiff::SignedDuration::from_secs(60);
        assert!(cluster.inventory.authorize(new).await.is_ok());
    });
}

#[test]
fn what_cannot_be_kept_is_refused() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let spec = "  allow: {node_labels: {env: prod}, logins: [deploy]}\n  options: {require_session_join: [{name: two, count: 1}]}";
        cluster.role("ops", spec).await;
        assert!(matches!(cluster.access("alice", "deploy@db-1").await, Err(Refusal::Unsupported(_))));
        // What asks for the code is the connection.
        let spec =
            "  allow: {node_labels: {env: prod}, logins: [deploy]}\n  options: {require_session_mfa: totp}";
        cluster.role("ops", spec).await;
        let permits = cluster.access("alice", "deploy@db-1").await.unwrap().permits;
        assert_eq!(permits.session_mfa, mezite_access::MfaMode::Totp);
        cluster.role("ops", "  allow: {node_labels: {env: prod}, logins: [deploy]}\n  options: {file_copy: {read: ['/srv/**']}}").await;
        assert!(!cluster.access("alice", "deploy@db-1").await.unwrap().permits.sftp);
    });
}

#[test]
fn rules_are_those_of_the_roles_now() {
    run(async {
        let cluster = Cluster::with_alice().await;
        cluster.user("root", &["admin"]).await.unwrap();
        let may = |user: &str| cluster.inventory.permits(subject(user), Resource::Node, Verb::Rotate);
        assert_eq!(may("root").await, Ok(true));
        assert_eq!(may("alice").await, Ok(false));
        assert_eq!(may("bob").await, Err(Refusal::UnknownUser));
        let mut older = subject("root");
        older.credential.valid_after = Timestamp::now() - SignedDuration::from_mins(2);
        let rights = cluster.inventory.permits(older, Resource::Node, Verb::Rotate);
        assert_eq!(rights.await, Err(Refusal::OtherUser), "a certificate of an earlier root");
        let bot = Shown { instance: Uuid::nil(), generation: 1, serial: Serial::Tls(1) };
        let bot = Subject { bot: Some(bot), ..subject("root") };
        let rights = cluster.inventory.permits(bot, Resource::Node, Verb::Rotate);
        assert_eq!(rights.await, Err(Refusal::OtherUser), "a bot's certificate for a person");
    });
}

#[test]
fn certificates_are_for_known_users_with_roles() {
    run(async {
        let cluster = Cluster::with_alice().await;
        cluster.user("bob", &[]).await.unwrap();
        let issue = |user: &str| cluster.inventory.issuance(UserName::parse(user).unwrap(), None);
        let logins: Vec<_> = issue("alice").await.unwrap().logins.iter().map(Login::to_string).collect();
        assert_eq!(logins, ["deploy", "root"]);
        assert_eq!(issue("bob").await, Err(Refusal::NoRoles));
        assert_eq!(issue("carol").await, Err(Refusal::UnknownUser));
    });
}

#[test]
fn explaining_tells_an_administrator_what_a_user_does_not_learn() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let explain = |target: &str| {
            cluster.inventory.explain(UserName::parse("alice").unwrap(), target.parse().unwrap())
        };
        let allowed = explain("deploy@db-1").await.unwrap();
        assert!(allowed.allowed);
        assert!(allowed.trace.iter().any(|step| step.field == "spec.allow.logins"));
        let hidden = explain("deploy@secret").await.unwrap();
        assert_eq!((hidden.allowed, hidden.reason.as_str()), (false, "labels"));
        assert!(matches!(explain("deploy@nowhere").await, Err(InventoryError::NotFound("node"))));

        lock(&cluster, json!({"target": {"login": "deploy"}})).await;
        assert_eq!(explain("deploy@db-1").await.unwrap().reason, "locked");
        let nobody =
            cluster.inventory.explain(UserName::parse("bob").unwrap(), "deploy@db-1".parse().unwrap()).await;
        assert!(matches!(nobody, Err(InventoryError::NotFound("user"))));
    });
}
