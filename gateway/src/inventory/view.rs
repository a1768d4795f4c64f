//! Deciding: what is known of one moment, asked in the order user, locks, node, roles.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mezite_access::{
    Decision, Issuance, MfaMode, Permits, Resource, UserFacts, Verb, decide, explain, issuance, may_see,
    rules_allow,
};
use mezite_api::explain::Explanation;
use mezite_api::user::UserKind;
use mezite_api::{Labels, LockTarget, Login, Node, NodeRef, Target, User, UserName};
use mezite_store::{Keyspace, ReadError, Store};
use uuid::Uuid;

use super::access::{AccessRequest, Credential, Grant, Holding, Refusal, Subject};
use super::bots::instance_key;
use super::memory::{Memory, UserEntry};
use super::reach::Reach;
use super::{InventoryError, index};

/// Certificates are valid from a minute before they are made, and their times are whole seconds.
const BACKDATED: SignedDuration = SignedDuration::from_secs(61);

/// Roles, users and locks as they are now, and the nodes in the store.
pub(super) struct View<'a> {
    pub(super) memory: &'a Memory,
    pub(super) store: &'a Store,
    pub(super) cluster: &'a str,
}

impl View<'_> {
    pub(super) fn identify(&self, subject: &Subject) -> Result<Arc<User>, Refusal> {
        self.subject(subject).map(|entry| Arc::clone(&entry.user))
    }

    pub(super) fn authorize(&self, request: &AccessRequest) -> Result<Grant, Refusal> {
        let AccessRequest { subject, login, node } = request;
        let entry = self.subject(subject)?;
        let facts = entry.facts()?;
        self.check_locks(|target| *target == LockTarget::Login(login.clone()))?;

        let found = self.nodes(node).map_err(|error| Refusal::Unavailable(error.to_string()))?;
        let found = one_to_see(found, &facts)?;
        // A node that does not exist is decided upon like one without labels, so that it takes as long.
        let nothing = Labels::new();
        let labels = found.as_ref().map_or(&nothing, |node| &node.metadata.labels);
        let decision = decide(&facts, login, labels);
        let seen = may_see(&facts, labels);
        let node = found.ok_or(Refusal::UnknownNode)?;
        if seen {
            self.check_locks(|target| *target == LockTarget::Node(node.id()))?;
        }
        match decision {
            Decision::Refuse(refusal) if seen => Err(Refusal::Role(refusal)),
            Decision::Refuse(refusal) => Err(Refusal::Hidden(refusal)),
            Decision::Allow(permits) => {
                let permits = Arc::new(within_reach(permits, entry.user.kind)?);
                Ok(Grant { user: Arc::clone(&entry.user), login: login.clone(), node, permits })
            }
        }
    }

    pub(super) fn explain(&self, user: &UserName, target: &Target) -> Result<Explanation, InventoryError> {
        let entry = self.memory.user(user).ok_or(InventoryError::NotFound("user"))?;
        let node = match <[Node; 1]>::try_from(self.nodes(&target.node)?) {
            Ok([node]) => node,
            Err(none) if none.is_empty() => return Err(InventoryError::NotFound("node")),
            Err(many) => return Err(InventoryError::Ambiguous(many.len())),
        };
        let mut trace = Vec::new();
        let refusal = self.why_refused(entry, &target.login, &node, &mut trace).err();
        let reason = refusal.as_ref().map_or("allowed", Refusal::reason);
        let cause = refusal.as_ref().and_then(Refusal::detail).unwrap_or_else(|| reason.to_owned());
        let who = format!("{user} as {} on {}", target.login, node.spec.hostname);
        Ok(Explanation {
            user: user.clone(),
            login: target.login.clone(),
            node: target.node.to_string(),
            allowed: refusal.is_none(),
            reason: reason.to_owned(),
            summary: if refusal.is_none() {
                format!("allowed: {who}")
            } else {
                format!("denied: {who}: {cause}")
            },
            trace,
        })
    }

    fn why_refused(
        &self,
        entry: &UserEntry,
        login: &Login,
        node: &Node,
        trace: &mut Vec<mezite_api::explain::TraceStep>,
    ) -> Result<(), Refusal> {
        self.check_user(entry, None)?;
        self.check_locks(|target| match target {
            LockTarget::Login(locked) => locked == login,
            LockTarget::Node(id) => *id == node.id(),
            _ => false,
        })?;
        let (decision, steps) = explain(&entry.facts()?, login, &node.metadata.labels);
        *trace = steps;
        match decision {
            Decision::Refuse(refusal) => Err(Refusal::Role(refusal)),
            Decision::Allow(permits) => within_reach(permits, entry.user.kind).map(drop),
        }
    }

    pub(super) fn issuance(&self, user: &UserName, source: Option<IpAddr>) -> Result<Issuance, Refusal> {
        let entry = self.memory.user(user).ok_or(Refusal::UnknownUser)?;
        self.check_user(entry, source)?;
        issuance(&entry.facts()?).ok_or(Refusal::NoRoles)
    }

    pub(super) fn bot_issuance(
        &self,
        bot: &UserName,
        source: IpAddr,
        instance: Option<Uuid>,
        shown: Option<&Credential>,
    ) -> Result<(Arc<User>, Issuance), Refusal> {
        let entry = self.memory.user(bot).filter(|entry| entry.user.kind == UserKind::Bot);
        let entry = entry.ok_or(Refusal::UnknownUser)?;
        shown.map_or(Ok(()), |credential| self.memory.revoked().check(bot, credential))?;
        self.check_user(entry, Some(source))?;
        instance.map_or(Ok(()), |instance| self.check_instance(instance))?;
        let issuance = issuance(&entry.facts()?).ok_or(Refusal::NoRoles)?;
        Ok((Arc::clone(&entry.user), issuance))
    }

    fn check_instance(&self, instance: Uuid) -> Result<(), Refusal> {
        self.check_locks(|target| *target == LockTarget::Instance(instance))
    }

    pub(super) fn permits(&self, subject: &Subject, resource: Resource, verb: Verb) -> Result<bool, Refusal> {
        let entry = self.subject(subject)?;
        Ok(rules_allow(entry.facts()?.roles, resource, verb))
    }

    pub(super) fn reach(&self, subject: &Subject) -> Result<Reach, Refusal> {
        let entry = self.subject(subject)?;
        let roles = entry.facts()?.roles.to_vec();
        let (mut locked_logins, mut locked_nodes) = (HashSet::new(), HashSet::new());
        for lock in self.memory.live_locks(Timestamp::now()) {
            match &lock.target {
                LockTarget::Login(login) => drop(locked_logins.insert(login.clone())),
                LockTarget::Node(id) => drop(locked_nodes.insert(*id)),
                _ => {}
            }
        }
        Ok(Reach { user: Arc::clone(&entry.user), roles, locked_logins, locked_nodes })
    }

    /// The user whom a certificate means.
    fn subject(&self, subject: &Subject) -> Result<&UserEntry, Refusal> {
        let entry = self.memory.user(&subject.user).ok_or(Refusal::UnknownUser)?;
        if subject
            .credential
            .valid_after
            .saturating_add(BACKDATED)
            .is_ok_and(|made| made < entry.user.created)
        {
            return Err(Refusal::OtherUser);
        }
        self.memory.revoked().check(&subject.user, &subject.credential)?;
        self.check_user(entry, Some(subject.source))?;
        match (entry.user.kind, &subject.bot) {
            (UserKind::Person, None) => {}
            (UserKind::Bot, Some(shown)) => self.check_instance(shown.instance)?,
            // A bot has no certificates but those of its instances.
            _ => return Err(Refusal::OtherUser),
        }
        Ok(entry)
    }

    /// Refuses a user who is disabled or locked, whatever is asked for.
    fn check_user(&self, entry: &UserEntry, source: Option<IpAddr>) -> Result<(), Refusal> {
        let user = &entry.user;
        if user.disabled {
            return Err(Refusal::Disabled);
        }
        self.check_locks(|target| is_about(target, user, source))
    }

    /// Those that may not live any more, and why.
    pub(super) fn lost(&self, connections: Vec<(Uuid, Holding)>) -> Vec<(Uuid, Refusal)> {
        let lost = |(id, held): (Uuid, Holding)| Some((id, self.check_holding(&held).err()?));
        connections.into_iter().filter_map(lost).collect()
    }

    fn check_holding(&self, held: &Holding) -> Result<(), Refusal> {
        let user = self.memory.user(&held.user).map(|entry| &*entry.user);
        self.check_locks(|target| match target {
            LockTarget::User(name) => *name == held.user,
            LockTarget::Login(login) => held.login.as_ref() == Some(login),
            LockTarget::Node(node) => held.node == Some(*node),
            LockTarget::Bot(name) => held.instance.is_some() && *name == held.user,
            LockTarget::Instance(instance) => held.instance == Some(*instance),
            LockTarget::Session(session) => held.sessions.contains(session),
            other => match user {
                Some(user) => is_about(other, user, Some(held.source)),
                None => is_source(other, held.source),
            },
        })?;
        self.memory.revoked().check(&held.user, &held.credential)?;
        match user {
            None => Err(Refusal::UnknownUser),
            Some(user) if user.id != held.user_id => Err(Refusal::OtherUser),
            Some(user) if user.disabled => Err(Refusal::Disabled),
            Some(_) => held.instance.map_or(Ok(()), |instance| self.check_lineage(&held.user, instance)),
        }
    }

    /// Refuses an instance that is no more.
    fn check_lineage(&self, bot: &UserName, instance: Uuid) -> Result<(), Refusal> {
        match self.store.get(Keyspace::Instances, &instance_key(bot, instance)) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(Refusal::Generation),
            Err(error) => Err(Refusal::Unavailable(error.to_string())),
        }
    }

    fn check_locks(&self, concerns: impl Fn(&LockTarget) -> bool) -> Result<(), Refusal> {
        match self.memory.lock(Timestamp::now(), concerns)? {
            Some(lock) => Err(Refusal::Locked(lock.message.clone())),
            None => Ok(()),
        }
    }

    fn nodes(&self, node: &NodeRef) -> Result<Vec<Node>, ReadError> {
        self.store.read(|snapshot| {
            let ids = index::candidates(snapshot, node, self.cluster)?;
            ids.into_iter().filter_map(|id| index::read(snapshot, id).transpose()).collect()
        })
    }
}

/// Whether a lock is about a user, whatever is asked for.
fn is_about(target: &LockTarget, user: &User, source: Option<IpAddr>) -> bool {
    match target {
        LockTarget::User(name) => *name == user.name,
        LockTarget::Bot(name) => *name == user.name && user.kind == UserKind::Bot,
        LockTarget::Role(role) => user.roles.contains(role),
        other => source.is_some_and(|source| is_source(other, source)),
    }
}

fn is_source(target: &LockTarget, source: IpAddr) -> bool {
    matches!(target, LockTarget::SourceIp(ip) if ip.to_canonical() == source.to_canonical())
}

/// Of several nodes with one address those count that the user may see: others would be told apart by the answer.
fn one_to_see(mut found: Vec<Node>, user: &UserFacts<'_>) -> Result<Option<Node>, Refusal> {
    if found.len() > 1 {
        found.retain(|node| may_see(user, &node.metadata.labels));
    }
    match found.len() {
        0 | 1 => Ok(found.pop()),
        many => Err(Refusal::Ambiguous(many)),
    }
}

/// What roles ask for and this gateway cannot keep is refused, not ignored.
pub(super) fn within_reach(mut permits: Permits, kind: UserKind) -> Result<Permits, Refusal> {
    if permits.session_mfa != MfaMode::No && kind == UserKind::Bot {
        return Err(Refusal::Unsupported("a second factor (require_session_mfa) of a machine"));
    }
    if !permits.session_join.is_empty() {
        return Err(Refusal::Unsupported("onlookers (require_session_join)"));
    }
    // Paths of sftp are not looked at while they pass.
    permits.sftp &= !permits.limits_file_copy();
    Ok(permits)
}
