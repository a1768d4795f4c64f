//! The decision: may this user be this login on this node, and with which permits.

use std::collections::BTreeSet;
use std::sync::Arc;

use mezite_api::explain::TraceStep;
use mezite_api::user::Traits;
use mezite_api::{Labels, Login, RoleName, UserName};

use crate::CompiledRole;
use crate::permits::{Permits, merge};
use crate::trace::Tracer;

/// A user as the store has it now.
#[derive(Debug, Clone, Copy)]
pub struct UserFacts<'a> {
    /// The name.
    pub name: &'a UserName,
    /// The roles.
    pub roles: &'a [Arc<CompiledRole>],
    /// What `{{trait.NAME}}` stands for.
    pub traits: &'a Traits,
    /// What `{{internal.logins}}` stands for.
    pub logins: &'a [Login],
}

/// May, or may not.
#[derive(Debug, Clone)]
pub enum Decision {
    /// With these permits.
    Allow(Permits),
    /// For this reason.
    Refuse(Refusal),
}

/// Why roles refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A role denies the node.
    #[error("role {role} denies the node's labels")]
    LabelsDenied {
        /// The role that denies.
        role: RoleName,
    },
    /// A role denies the login.
    #[error("role {role} denies the login")]
    LoginDenied {
        /// The role that denies.
        role: RoleName,
    },
    /// No role is about the node.
    #[error("no role allows the node's labels")]
    NoLabels,
    /// Roles are about the node, but none of them allows the login.
    #[error("no role that allows the node allows the login")]
    NoLogin,
}

impl Refusal {
    /// The word for audit events: `deny`, `labels`, `login`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::LabelsDenied { .. } | Self::LoginDenied { .. } => "deny",
            Self::NoLabels => "labels",
            Self::NoLogin => "login",
        }
    }

    /// The role that decided, where one did.
    pub fn role(&self) -> Option<&RoleName> {
        match self {
            Self::LabelsDenied { role } | Self::LoginDenied { role } => Some(role),
            Self::NoLabels | Self::NoLogin => None,
        }
    }
}

/// Decides about a node with these labels.
pub fn decide(user: &UserFacts<'_>, login: &Login, labels: &Labels) -> Decision {
    decide_traced(user, login, labels, &mut ())
}

/// Decides, and says which role and field each outcome came from.
pub fn explain(user: &UserFacts<'_>, login: &Login, labels: &Labels) -> (Decision, Vec<TraceStep>) {
    let mut trace = Vec::new();
    let decision = decide_traced(user, login, labels, &mut trace);
    (decision, trace)
}

fn decide_traced(user: &UserFacts<'_>, login: &Login, labels: &Labels, trace: &mut impl Tracer) -> Decision {
    if let Some(refusal) = denial(user, login, labels, trace) {
        return Decision::Refuse(refusal);
    }
    let matching: Vec<_> = user.roles.iter().filter(|role| role.allow_labels.matches(labels)).collect();
    let granting: Vec<_> = matching.iter().copied().filter(|role| role.allows_login(login, user)).collect();
    for role in &matching {
        trace.step(&"allow node", Some(role.name()), "spec.allow.node_labels");
    }
    for role in &granting {
        trace.step(&"allow login", Some(role.name()), "spec.allow.logins");
    }
    if matching.is_empty() {
        trace.step(&"refuse", None, "spec.allow.node_labels");
        Decision::Refuse(Refusal::NoLabels)
    } else if granting.is_empty() {
        trace.step(&"refuse", None, "spec.allow.logins");
        Decision::Refuse(Refusal::NoLogin)
    } else {
        Decision::Allow(merge(&matching, &granting, trace))
    }
}

fn denial(user: &UserFacts<'_>, login: &Login, labels: &Labels, trace: &mut impl Tracer) -> Option<Refusal> {
    if let Some(role) = user.roles.iter().find(|role| role.deny_labels.matches(labels)) {
        trace.step(&"deny", Some(role.name()), "spec.deny.node_labels");
        return Some(Refusal::LabelsDenied { role: role.name().clone() });
    }
    let role = user.roles.iter().find(|role| role.denies_login(login, user))?;
    trace.step(&"deny", Some(role.name()), "spec.deny.logins");
    Some(Refusal::LoginDenied { role: role.name().clone() })
}

/// Whether the user may know that a node with these labels is there: some login is possible on it.
pub fn may_see(user: &UserFacts<'_>, labels: &Labels) -> bool {
    !user.roles.iter().any(|role| role.deny_labels.matches(labels))
        && user
            .roles
            .iter()
            .any(|role| role.allow_labels.matches(labels) && !role.logins_for(user).is_empty())
}

/// The logins that the user may be on a node with these labels, each with what would be permitted there.
pub fn reach(user: &UserFacts<'_>, labels: &Labels) -> Vec<(Login, Permits)> {
    let about = user.roles.iter().filter(|role| role.allow_labels.matches(labels));
    let possible: BTreeSet<Login> = about.flat_map(|role| role.logins_for(user)).collect();
    let allowed = possible.into_iter().filter_map(|login| match decide(user, &login, labels) {
        Decision::Allow(permits) => Some((login, permits)),
        Decision::Refuse(_) => None,
    });
    allowed.collect()
}

/// Which of a user's roles are about a node, and which deny it: all that a decision takes from labels. Nodes that are
/// equal in this are decided upon alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Matches(Vec<(bool, bool)>);

impl Matches {
    /// Those of a node with these labels.
    pub fn of(user: &UserFacts<'_>, labels: &Labels) -> Self {
        let each = user.roles.iter();
        Self(each.map(|role| (role.allow_labels.matches(labels), role.deny_labels.matches(labels))).collect())
    }
}

impl CompiledRole {
    fn allows_login(&self, login: &Login, user: &UserFacts<'_>) -> bool {
        self.allow_logins.iter().any(|pattern| pattern.matches(login, user))
    }

    pub(crate) fn denies_login(&self, login: &Login, user: &UserFacts<'_>) -> bool {
        self.deny_logins.iter().any(|denied| denied.matches(login, user))
    }

    /// The logins that this role allows its user and no role of the user denies.
    pub(crate) fn logins_for(&self, user: &UserFacts<'_>) -> Vec<Login> {
        let allowed = self.allow_logins.iter().flat_map(|pattern| pattern.expand(user));
        allowed.filter(|login| !user.roles.iter().any(|role| role.denies_login(login, user))).collect()
    }
}
