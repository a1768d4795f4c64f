//! `kind: lock`.

use jiff::Timestamp;
use mezite_access::yaml::YamlError;
use mezite_api::client::Client;
use mezite_api::lock::LockAdd;
use mezite_api::{Lock, LockTarget};
use mezite_console::CommandError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Declared, Kind, Stored, Version, found, wrong};

/// A lock, as a file says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockDocument {
    kind: Kind,
    #[serde(default = "Version::written")]
    version: Version,
    metadata: Metadata,
    spec: Spec,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<serde_json::Value>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: Uuid,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    target: LockTarget,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
}

impl LockDocument {
    /// The document of a lock that is in force.
    pub(crate) fn of(lock: &Lock) -> Self {
        Self {
            kind: Kind::Lock,
            version: Version::written(),
            metadata: Metadata { name: lock.id },
            spec: Spec { target: lock.target.clone(), message: lock.message.clone(), expires: lock.expires },
            status: Some(serde_json::json!({ "created": lock.created, "created_by": lock.created_by })),
        }
    }

    /// Only what is configured.
    pub(crate) fn bare(mut self) -> Self {
        self.status = None;
        self
    }

    pub(super) fn checked(self) -> Result<Self, YamlError> {
        self.add(false).check().map_err(|invalid| wrong(&invalid))?;
        Ok(self)
    }

    fn add(&self, replace: bool) -> LockAdd {
        let Spec { target, message, expires } = self.spec.clone();
        LockAdd { id: Some(self.metadata.name), replace, message, expires, ..LockAdd::on(target) }
    }
}

impl Declared for LockDocument {
    fn kind(&self) -> Kind {
        Kind::Lock
    }

    fn name(&self) -> String {
        self.metadata.name.hyphenated().to_string()
    }

    fn revision(&self) -> Option<u64> {
        None
    }

    fn stored(&self, client: &Client) -> Result<Stored, CommandError> {
        if self.spec.expires.is_some_and(|expires| expires <= Timestamp::now()) {
            return Ok(Stored::Moot("has expired"));
        }
        let Some(lock) = found(client.lock(self.metadata.name))? else { return Ok(Stored::Absent) };
        let same = Self::of(&lock).spec == self.spec;
        Ok(if same { Stored::Same(None) } else { Stored::Other(None) })
    }

    fn create(&self, client: &Client) -> Result<(), CommandError> {
        client.add_lock(&self.add(false))?;
        Ok(())
    }

    fn replace(&self, client: &Client, _: Option<u64>) -> Result<(), CommandError> {
        client.add_lock(&self.add(true))?;
        Ok(())
    }

    fn remove(&self, client: &Client) -> Result<(), CommandError> {
        Ok(client.remove_lock(self.metadata.name)?)
    }
}
