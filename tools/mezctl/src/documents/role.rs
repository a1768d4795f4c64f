//! `kind: role`; what it holds is `mezite-access`.

use mezite_access::Role;
use mezite_access::yaml::YamlError;
use mezite_api::client::Client;
use mezite_api::escape_json;
use mezite_api::role::{RoleDocument, RolePut};
use mezite_console::{CommandError, Kind as ErrorKind};

use super::{Declared, Kind, Stored, found, of_role};

/// A role, and the revision that it was written for.
pub(crate) struct RoleFile {
    role: Role,
    revision: Option<u64>,
}

impl RoleFile {
    pub(super) fn parse(text: &str) -> Result<Self, YamlError> {
        let mut role = Role::parse_yaml(text).map_err(of_role)?;
        let revision = role.take_revision();
        Ok(Self { role, revision })
    }

    /// The document of a role that the gateway has.
    pub(crate) fn of(stored: &RoleDocument) -> Result<Role, CommandError> {
        serde_json::from_value(stored.document.clone()).map_err(|error| {
            CommandError::new(ErrorKind::Failed, format!("role {} cannot be read: {error}", stored.name))
        })
    }

    fn put(&self, client: &Client, replace: bool, revision: Option<u64>) -> Result<(), CommandError> {
        // JSON is YAML, and nothing in it can be taken for something else.
        let yaml = serde_json::to_string(&self.role)
            .map_err(|error| CommandError::new(ErrorKind::Failed, error.to_string()))?;
        client.put_role(&RolePut { yaml: escape_json(&yaml), replace, revision })?;
        Ok(())
    }
}

impl Declared for RoleFile {
    fn kind(&self) -> Kind {
        Kind::Role
    }

    fn name(&self) -> String {
        self.role.name().to_string()
    }

    fn revision(&self) -> Option<u64> {
        self.revision
    }

    fn stored(&self, client: &Client) -> Result<Stored, CommandError> {
        let Some(stored) = found(client.role(self.role.name()))? else { return Ok(Stored::Absent) };
        let revision = Some(stored.revision);
        let same = Self::of(&stored)? == self.role;
        Ok(if same { Stored::Same(revision) } else { Stored::Other(revision) })
    }

    fn create(&self, client: &Client) -> Result<(), CommandError> {
        self.put(client, false, None)
    }

    fn replace(&self, client: &Client, revision: Option<u64>) -> Result<(), CommandError> {
        self.put(client, true, revision)
    }

    fn remove(&self, client: &Client) -> Result<(), CommandError> {
        Ok(client.remove_role(self.role.name())?)
    }
}
