//! The roles that every cluster has.

use mezite_api::RoleName;

use crate::{Role, RoleError};

const ADMIN: &str = "
kind: role
metadata:
  name: admin
  description: Administers everything; opens no node
spec:
  allow:
    rules:
      - resources: ['*']
        verbs: ['*']
";

const AUDITOR: &str = "
kind: role
metadata:
  name: auditor
  description: Reads the audit log, sessions and recordings
spec:
  allow:
    rules:
      - resources: [audit, session, recording]
        verbs: [list, read]
";

/// `admin` and `auditor`.
pub fn built_in_roles() -> Result<Vec<Role>, RoleError> {
    [ADMIN, AUDITOR].into_iter().map(Role::parse_yaml).collect()
}

/// Whether a role of this name came with the gateway; it cannot be made, changed or removed.
pub fn is_built_in(name: &RoleName) -> bool {
    matches!(name.as_str(), "admin" | "auditor")
}

#[cfg(test)]
mod tests {
    use super::{built_in_roles, is_built_in};

    #[test]
    fn the_built_in_roles_are_whole_and_open_no_node() {
        let roles = built_in_roles().unwrap();
        assert_eq!(roles.len(), 2);
        assert!(roles.iter().all(|role| is_built_in(role.name()) && role.spec.allow.logins.is_empty()));
    }
}
