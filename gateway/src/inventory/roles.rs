//! Changes of roles, and lists of them.

use mezite_access::{CompiledRole, Role, built_in_roles, is_built_in};
use mezite_api::role::{RoleDocument, RolePut};
use mezite_api::{Invalid, RoleName};
use mezite_store::{AuditEntry, Batch, Keyspace, Precondition, Versioned};

use super::{By as _, Inventory, InventoryError, Operator, record};

impl Inventory {
    /// All roles by name, the built-in ones first.
    pub fn roles(&self) -> Result<Vec<RoleDocument>, InventoryError> {
        let mut roles =
            built_in_roles()?.iter().map(|role| document(role, 0)).collect::<Result<Vec<_>, _>>()?;
        for (key, stored) in self.store.prefix(Keyspace::Roles, b"", usize::MAX)? {
            roles.push(read(&String::from_utf8_lossy(&key), &stored)?);
        }
        Ok(roles)
    }

    /// One role.
    pub fn role(&self, name: &RoleName) -> Result<RoleDocument, InventoryError> {
        if let Some(role) = built_in_roles()?.iter().find(|role| role.name() == name) {
            return document(role, 0);
        }
        let stored = self.store.get(Keyspace::Roles, name.as_str().as_bytes())?;
        read(name.as_str(), &stored.ok_or(InventoryError::NotFound("role"))?)
    }

    /// Makes a role, or replaces it where that is asked for.
    pub async fn put_role(&self, operator: &Operator, put: RolePut) -> Result<RoleDocument, InventoryError> {
        let mut role = Role::parse_yaml(&put.yaml)?;
        let written = role.take_revision();
        let revision = put.revision.or(written.filter(|_| put.replace));
        let key = role.name().as_str().as_bytes();
        if is_built_in(role.name()) {
            return Err(InventoryError::BuiltIn(role.name().clone()));
        }
        if put.revision.is_some() && !put.replace {
            return Err(Invalid::new("revision", "is only for replacing a role").into());
        }
        let found = self.store.get(Keyspace::Roles, key)?.map(|stored| stored.revision);
        let (kind, precondition) = match (found, revision) {
            (Some(_), _) if !put.replace => return Err(InventoryError::Exists("role")),
            (None, Some(_)) => return Err(InventoryError::Changed),
            (Some(found), Some(wanted)) if found != wanted => return Err(InventoryError::Changed),
            (Some(found), _) => ("role.update", Precondition::Revision(found)),
            (None, None) => ("role.create", Precondition::Absent),
        };
        let every_node = CompiledRole::from(role.clone()).grants_every_node();
        if every_node {
            log::warn!(role:% = role.name(); "this role opens every node");
        }
        let batch = Batch::new()
            .require(Keyspace::Roles, key, precondition)
            .put(Keyspace::Roles, key, record::encode(&role))
            .audit(event(kind, operator, role.name()).with("every_node", every_node));
        let revision = self.store.commit(batch).await?;
        document(&role, revision)
    }

    /// Removes a role, where one is wanted only at this revision. Users keep its name, which gives them nothing.
    pub async fn remove_role(
        &self,
        operator: &Operator,
        name: &RoleName,
        revision: Option<u64>,
    ) -> Result<(), InventoryError> {
        if is_built_in(name) {
            return Err(InventoryError::BuiltIn(name.clone()));
        }
        let key = name.as_str().as_bytes();
        let stored = self.store.get(Keyspace::Roles, key)?.ok_or(InventoryError::NotFound("role"))?;
        if revision.is_some_and(|revision| revision != stored.revision) {
            return Err(InventoryError::Changed);
        }
        let batch = Batch::new()
            .require(Keyspace::Roles, key, Precondition::Revision(stored.revision))
            .delete(Keyspace::Roles, key)
            .audit(event("role.delete", operator, name));
        self.store.commit(batch).await?;
        Ok(())
    }
}

fn read(name: &str, stored: &Versioned) -> Result<RoleDocument, InventoryError> {
    document(
        &record::read::<Role>("role", name, stored, |role| role.name().as_str() == name)?,
        stored.revision,
    )
}

fn document(role: &Role, revision: u64) -> Result<RoleDocument, InventoryError> {
    let unreadable = |_| InventoryError::Unreadable { what: "role", name: role.name().to_string() };
    Ok(RoleDocument {
        name: role.name().clone(),
        built_in: is_built_in(role.name()),
        document: serde_json::to_value(role).map_err(unreadable)?,
        revision,
    })
}

fn event(kind: &str, operator: &Operator, role: &RoleName) -> AuditEntry {
    AuditEntry::new(kind).by(operator).with("outcome", "ok").with("role", role.as_str())
}
