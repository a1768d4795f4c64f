//! Tests of roles by theme.

mod decisions;
mod documents;
mod forwarding;
mod matching;

use std::sync::Arc;

use mezite_api::user::Traits;
use mezite_api::{Labels, Login, UserName};

use crate::{CompiledRole, Decision, Permits, Refusal, Role, UserFacts, decide};

/// A role of this name with a `spec` in YAML, indented by two.
fn role(name: &str, spec: &str) -> Arc<CompiledRole> {
    Arc::new(parse(name, spec).unwrap_or_else(|error| panic!("{error}\n{spec}")).into())
}

fn parse(name: &str, spec: &str) -> Result<Role, crate::RoleError> {
    Role::parse_yaml(&format!("kind: role\nmetadata: {{name: {name}}}\nspec:\n{spec}\n"))
}

/// A user with roles, own logins and the trait `t`.
struct Alice {
    name: UserName,
    roles: Vec<Arc<CompiledRole>>,
    traits: Traits,
    logins: Vec<Login>,
}

impl Alice {
    fn with(roles: &[Arc<CompiledRole>]) -> Self {
        Self {
            name: UserName::parse("alice").unwrap(),
            roles: roles.to_vec(),
            traits: Traits::new(),
            logins: Vec::new(),
        }
    }

    fn facts(&self) -> UserFacts<'_> {
        UserFacts { name: &self.name, roles: &self.roles, traits: &self.traits, logins: &self.logins }
    }

    fn decide(&self, login: &str, labels: &str) -> Result<Permits, Refusal> {
        let labels = Labels::parse(labels).unwrap();
        match decide(&self.facts(), &Login::parse(login).unwrap(), &labels) {
            Decision::Allow(permits) => Ok(permits),
            Decision::Refuse(refusal) => Err(refusal),
        }
    }
}
