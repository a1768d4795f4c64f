//! The inventory over a real store in a scratch folder.

mod changes;
mod decisions;
mod faults;
mod names;
mod reach;
mod revocations;

use std::time::Duration;

use jiff::Timestamp;
use mezite_actors::Supervisor;
use mezite_api::node::NodeAdd;
use mezite_api::role::RolePut;
use mezite_api::user::UserAdd;
use mezite_api::{HostKey, Login, NodeRef, Target, UserName, request};
use mezite_store::{AuditFilter, Options, Store};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{
    AccessRequest, Credential, Filter, Grant, Inventory, InventoryError, Operator, Refusal, Subject,
};

const UID: Operator = Operator::Uid(1000);
const OLD_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM//rrPhRsSNpIYAm49H434ndxFOZ4Xf3mQ3o052lX8f";
const NEW_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEdKU1/FF0uwDTSZVBncbsjg/9FEWGcL2vf6c1+Jq7qZ";

/// A cluster of this name with nothing in it.
struct Cluster {
    inventory: Inventory,
    store: Store,
    supervisor: Supervisor,
    _folder: TempDir,
}

impl Cluster {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store"), Options::default()).unwrap();
        let supervisor = Supervisor::new();
        let inventory = Inventory::start(&supervisor, &store, "Main.example").unwrap();
        Self { inventory, store, supervisor, _folder: folder }
    }

    /// Alice may be deploy and root on production, and nothing elsewhere.
    async fn with_alice() -> Self {
        let cluster = Self::new();
        cluster.role("ops", "  allow: {node_labels: {env: prod}, logins: [deploy, root]}").await;
        cluster.user("alice", &["ops"]).await.unwrap();
        cluster.node("db-1", "10.0.0.7", "env=prod").await.unwrap();
        cluster.node("secret", "10.0.0.8", "env=secret").await.unwrap();
        cluster
    }

    async fn role(&self, name: &str, spec: &str) {
        let yaml = format!("kind: role\nmetadata: {{name: {name}}}\nspec:\n{spec}\n");
        self.inventory.put_role(&UID, RolePut { yaml, replace: true, revision: None }).await.unwrap();
    }

    async fn user(&self, name: &str, roles: &[&str]) -> Result<mezite_api::User, InventoryError> {
        let add: UserAdd =
            request::parse(json!({"name": name, "roles": roles}).to_string().as_bytes()).unwrap();
        self.inventory.add_user(&UID, add).await.map(|(user, _)| user)
    }

    async fn node(&self, name: &str, host: &str, labels: &str) -> Result<mezite_api::Node, InventoryError> {
        let (host, port) = host.split_once(' ').unwrap_or((host, "22"));
        let add = NodeAdd {
            id: None,
            name: name.parse().unwrap(),
            host: host.parse().unwrap(),
            port: port.parse().unwrap(),
            labels: labels.parse().unwrap(),
            host_keys: vec![HostKey::parse(OLD_KEY).unwrap()],
            host_ca: false,
            verify_host_key: false,
        };
        self.inventory.add_node(&UID, add).await
    }

    async fn access(&self, user: &str, target: &str) -> Result<Grant, Refusal> {
        self.inventory.authorize(asking(user, target)).await
    }

    /// The events of a type, oldest first.
    fn events(&self, kind: &str) -> Vec<Map<String, Value>> {
        let filter = AuditFilter { kind: Some(kind.into()), ..AuditFilter::default() };
        let page = self.store.audit_page(&filter).unwrap();
        page.events.iter().map(|event| event.fields().unwrap()).collect()
    }

    fn event_count(&self) -> u64 {
        self.store.audit_head().unwrap().seq
    }
}

fn subject(user: &str) -> Subject {
    Subject {
        user: UserName::parse(user).unwrap(),
        bot: None,
        source: "192.0.2.1".parse().unwrap(),
        credential: Credential { serial: 1, keys: Vec::new(), valid_after: Timestamp::now() },
    }
}

fn asking(user: &str, target: &str) -> AccessRequest {
    let Target { login, node } = Target::parse(target).unwrap();
    AccessRequest { subject: subject(user), login, node }
}

fn node_ref(text: &str) -> NodeRef {
    NodeRef::parse(text).unwrap()
}

fn line(refusal: &Refusal, target: &str) -> String {
    let Target { login, node } = Target::parse(target).unwrap();
    refusal.line(&UserName::parse("alice").unwrap(), &login, &node)
}
