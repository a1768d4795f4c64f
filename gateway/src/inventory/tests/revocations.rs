use jiff::SignedDuration;
use mezite_actors::run;
use mezite_api::revocation::RevocationAdd;
use mezite_api::{Problem, ProblemCode, Revocation, RevocationTarget};
use mezite_ca::{CaKind, PublicKey, RevocationList, TrustedSet};
use mezite_store::{AuditEntry, Batch, Keyspace};

use super::*;
use crate::inventory::record;

fn at(seconds: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(seconds)
}

fn serial(serial: u64) -> RevocationTarget {
    RevocationTarget::Serial(serial.try_into().unwrap())
}

fn alice() -> RevocationTarget {
    RevocationTarget::User(UserName::parse("alice").unwrap())
}

/// The access that a certificate of alice's with this number gives, made so many seconds from now.
async fn with(cluster: &Cluster, serial: u64, made: i64) -> Result<(), Refusal> {
    made_at(cluster, serial, at(made)).await
}

async fn made_at(cluster: &Cluster, serial: u64, made: Timestamp) -> Result<(), Refusal> {
    let backdated = made - SignedDuration::from_mins(1);
    let mut asking = asking("alice", "deploy@db-1");
    asking.subject.credential = Credential { serial, keys: Vec::new(), valid_after: backdated };
    cluster.inventory.authorize(asking).await.map(drop)
}

impl Cluster {
    async fn revoke(&self, target: RevocationTarget) -> Result<Revocation, InventoryError> {
        self.inventory.revoke(&UID, RevocationAdd { target, reason: Some("lost".into()) }).await
    }

    /// The event of a certificate, as the authority writes it.
    async fn issued(&self, kind: &str, serial: u64, until: i64) {
        let event = AuditEntry::new("cert.issue")
            .with("subject", "alice")
            .with("kind", kind)
            .with("serial", serial)
            .with("valid_after", at(-60).to_string())
            .with("valid_before", at(until).to_string());
        self.store.commit(Batch::new().audit(event)).await.unwrap();
    }

    fn list(&self, later: i64) -> RevocationList {
        self.inventory.revocation_list(at(later)).unwrap()
    }

    /// How many certificates the list names at a moment.
    fn listed(&self, later: i64) -> usize {
        let ca = PublicKey::from_line(OLD_KEY).unwrap();
        let trusted = TrustedSet::new(CaKind::User, [ca.clone()]);
        let bytes = self.list(later).to_bytes(&trusted);
        let empty = RevocationList::new(0, 0, "mezite Main.example").to_bytes(&trusted);
        // A section with the CA's key, a reserved string, and a subsection of numbers.
        (bytes.len() - empty.len()).saturating_sub(5 + 4 + ca.blob().len() + 4 + 5) / 8
    }
}

#[test]
fn a_number_is_revoked_once_and_taken_back() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let revocation = cluster.revoke(serial(7)).await.unwrap();
        assert_eq!(with(&cluster, 7, 0).await, Err(Refusal::Revoked));
        assert_eq!(with(&cluster, 8, 0).await, Ok(()));
        let again = cluster.revoke(serial(7)).await.unwrap_err();
        assert_eq!(Problem::from(again).code, ProblemCode::Conflict);
        assert_eq!(cluster.inventory.revocations().unwrap(), std::slice::from_ref(&revocation));
        assert_eq!(cluster.inventory.revocation(revocation.id).unwrap(), revocation);
        cluster.inventory.unrevoke(&UID, revocation.id).await.unwrap();
        assert_eq!(with(&cluster, 7, 0).await, Ok(()));
        let gone = cluster.inventory.unrevoke(&UID, revocation.id).await.unwrap_err();
        assert_eq!(Problem::from(gone).code, ProblemCode::NotFound);
        for kind in ["cert.revoke", "cert.unrevoke"] {
            let [event] = &cluster.events(kind)[..] else { panic!("one {kind}") };
            assert_eq!((&event["serial"], &event["message"]), (&json!(7), &json!("lost")));
            assert_eq!((&event["actor"], &event["revocation"]), (&json!(1000), &json!(revocation.id)));
        }
    });
}

#[test]
fn the_audit_log_says_whose_a_number_is_and_a_hosts_is_not_taken() {
    run(async {
        let cluster = Cluster::with_alice().await;
        cluster.issued("user", 7, 600).await;
        cluster.issued("host", 8, 600).await;
        let revocation = cluster.revoke(serial(7)).await.unwrap();
        assert_eq!(revocation.subject, Some(UserName::parse("alice").unwrap()));
        assert!(revocation.expires.is_some_and(|expires| expires < at(601)));
        let unknown = cluster.revoke(serial(9)).await.unwrap();
        assert!(unknown.expires.is_some_and(|expires| expires > at(29 * 24 * 3600)));
        let host = cluster.revoke(serial(8)).await.unwrap_err();
        assert_eq!(Problem::from(host).code, ProblemCode::Invalid);
    });
}

#[test]
fn a_user_loses_what_was_issued_until_then_named_or_not() {
    run(async {
        let cluster = Cluster::with_alice().await;
        cluster.issued("user", 7, 600).await;
        cluster.issued("bot", 8, 600).await;
        cluster.issued("host", 9, 600).await;
        cluster.issued("user", 10, -1).await;
        let revocation = cluster.revoke(alice()).await.unwrap();
        assert_eq!(revocation.certificates, 2, "those of users that are still valid");
        assert_eq!(cluster.listed(0), 2);
        // The second in which it was revoked is over: who comes now has another certificate.
        assert!(revocation.issued_before.unwrap() <= Timestamp::now());
        let before = made_at(&cluster, 1, revocation.created).await;
        assert_eq!(before, Err(Refusal::Revoked), "also one that no event names");
        assert_eq!(with(&cluster, 2, 0).await, Ok(()));
        let nobody = RevocationTarget::User(UserName::parse("nobody").unwrap());
        let nobody = cluster.revoke(nobody).await.unwrap_err();
        assert_eq!(Problem::from(nobody).code, ProblemCode::NotFound);
    });
}

#[test]
fn the_list_changes_with_what_is_revoked_and_with_what_ends() {
    run(async {
        let cluster = Cluster::with_alice().await;
        assert_eq!(cluster.list(0), RevocationList::new(0, 0, "mezite Main.example"));
        cluster.issued("user", 7, 600).await;
        let revocation = cluster.revoke(serial(7)).await.unwrap();
        cluster.revoke(RevocationTarget::Key(NEW_KEY.parse().unwrap())).await.unwrap();
        let now = cluster.list(0);
        cluster.user("bob", &["ops"]).await.unwrap();
        assert_eq!(cluster.list(60), now, "the same, whatever else is changed");
        let mut later = cluster.list(601);
        assert_ne!(later, now);
        assert_eq!(cluster.list(6000), later);
        assert_eq!(with(&cluster, 7, 0).await, Err(Refusal::Revoked), "an ended one of a bot can be renewed");
        cluster.inventory.unrevoke(&UID, revocation.id).await.unwrap();
        assert_ne!(cluster.list(601), later, "each change has a version of its own");
        later = cluster.list(601);
        let key = cluster.inventory.revocations().unwrap();
        cluster.inventory.unrevoke(&UID, key[0].id).await.unwrap();
        assert_ne!(cluster.list(601), later);
    });
}

#[test]
fn what_ended_long_ago_is_forgotten_with_the_next_change() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let old = cluster.revoke(serial(7)).await.unwrap();
        let key = old.id.to_string();
        for (days, kept) in [(29, true), (31, false)] {
            let expires = at(-days * 24 * 3600);
            let record = json!({"revocation": Revocation { expires: Some(expires), ..old.clone() }});
            let put = Batch::new().put(Keyspace::Revocations, key.as_bytes(), record::encode(&record));
            cluster.store.commit(put).await.unwrap();
            assert_eq!(with(&cluster, 7, 0).await, Err(Refusal::Revoked));
            cluster.revoke(serial(days.unsigned_abs())).await.unwrap();
            assert_eq!(cluster.inventory.revocation(old.id).is_ok(), kept, "{days} days");
        }
        assert_eq!(with(&cluster, 7, 0).await, Ok(()));
    });
}

#[test]
fn a_revocation_that_cannot_be_read_refuses_everybody_and_gives_no_list() {
    run(async {
        let cluster = Cluster::with_alice().await;
        let id = uuid::Uuid::new_v4();
        let put = Batch::new().put(Keyspace::Revocations, id.to_string().as_bytes(), "nonsense");
        cluster.store.commit(put).await.unwrap();
        assert!(matches!(with(&cluster, 7, 0).await, Err(Refusal::Unavailable(_))));
        let list = cluster.inventory.revocation_list(Timestamp::now());
        assert!(matches!(list, Err(InventoryError::Unreadable { .. })));
        cluster.inventory.unrevoke(&UID, id).await.unwrap();
        assert_eq!(with(&cluster, 7, 0).await, Ok(()));
    });
}
