//! The calls, one method each, grouped as the command lines are.

use std::io::Write;

use ureq::http::Method;
use uuid::Uuid;

use super::query::Query;
use super::{Client, ClientError};
use crate::audit::{AuditPage, AuditQuery, AuditReport};
use crate::bot::{
    Bot, BotAdd, BotInstance, BotIssued, BotLock, BotPut, BotUnlock, Credentials, JoinRequest, RenewRequest,
    TokenRotate,
};
use crate::certificate::{CaType, HostSignRequest, HostSignResponse, SignRequest, SignResponse};
use crate::explain::Explanation;
use crate::join::{NodeConfirm, NodeJoin, NodeJoined, NodeLeave};
use crate::lock::LockAdd;
use crate::node::{NodeAdd, NodeCheckRequest, NodeUpdate, RotateHostKey};
use crate::oidc::OidcJoinRequest;
use crate::person::{
    LoginReply, LoginRequest, SetupBegin, SetupBegun, SetupConfirm, SetupDone, SetupToken, UserAdded,
    UserReset,
};
use crate::revocation::RevocationAdd;
use crate::role::{RoleDocument, RolePut};
use crate::rotation::{CaStatus, RotateRequest, Rotated};
use crate::ssh_config::SshConfig;
use crate::status::Status;
use crate::token::{TokenAdd, TokenInfo, TokenIssued};
use crate::user::{UserAdd, UserUpdate};
use crate::{
    AuditEvent, Labels, Lock, Node, NodeRef, Reachable, RecordingInfo, Revocation, RoleName, Target, User,
    UserName,
};

/// Why a recording is fetched, which its audit event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be looked at.
    Play,
    /// To be written to another format.
    Export,
}

impl Purpose {
    /// The word in the request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Play => "play",
            Self::Export => "export",
        }
    }
}

impl Client {
    /// What the gateway says about itself.
    pub fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status", &Query::none())
    }

    /// Where the rotation of a CA stands, and who follows it.
    pub fn ca_status(&self, ca: CaType) -> Result<CaStatus, ClientError> {
        self.get(&format!("/v1/ca/{ca}/rotation"), &Query::none())
    }

    /// Takes a step of the rotation of a CA.
    pub fn rotate_ca(&self, ca: CaType, request: &RotateRequest) -> Result<Rotated, ClientError> {
        self.send(Method::POST, &format!("/v1/ca/{ca}/rotate"), request)
    }

    /// The nodes that have all these labels.
    pub fn nodes(&self, labels: &Labels) -> Result<Vec<Node>, ClientError> {
        let labels = (!labels.is_empty()).then_some(labels);
        self.list("/v1/nodes", &Query::none().with_some("labels", labels))
    }

    /// The nodes that have all these labels and hold this text.
    pub fn search_nodes(&self, labels: &Labels, search: Option<&str>) -> Result<Vec<Node>, ClientError> {
        let labels = (!labels.is_empty()).then_some(labels);
        self.list("/v1/nodes", &Query::none().with_some("labels", labels).with_some("search", search))
    }

    /// All nodes that this UUID, name or address may mean.
    pub fn nodes_meant(&self, node: &NodeRef) -> Result<Vec<Node>, ClientError> {
        self.list("/v1/nodes", &Query::none().with_some("node", Some(node)))
    }

    /// The nodes that whoever asks may log in to: those that have all these labels and hold this text.
    pub fn reachable(&self, labels: &Labels, search: Option<&str>) -> Result<Vec<Reachable>, ClientError> {
        let labels = (!labels.is_empty()).then_some(labels);
        self.list("/v1/reachable", &Query::none().with_some("labels", labels).with_some("search", search))
    }

    /// One node by UUID, name or address.
    pub fn node(&self, node: &NodeRef) -> Result<Node, ClientError> {
        self.get(&format!("/v1/nodes/{node}"), &Query::none())
    }

    /// Looks at a node, and keeps what is seen.
    pub fn check_node(&self, node: &NodeRef, request: &NodeCheckRequest) -> Result<Node, ClientError> {
        self.send(Method::POST, &format!("/v1/nodes/{node}/check"), request)
    }

    /// Joins, as the node itself.
    pub fn join_node(&self, request: &NodeJoin) -> Result<NodeJoined, ClientError> {
        self.send(Method::POST, "/v1/nodes/join", request)
    }

    /// Has the gateway look at the node, as the node itself.
    pub fn confirm_node(&self, node: Uuid, request: &NodeConfirm) -> Result<Node, ClientError> {
        self.send(Method::POST, &format!("/v1/nodes/{node}/confirm"), request)
    }

    /// Removes the entry, as the node itself.
    pub fn leave_node(&self, node: Uuid, request: &NodeLeave) -> Result<(), ClientError> {
        self.act(&format!("/v1/nodes/{node}/leave"), request)
    }

    /// All tokens.
    pub fn tokens(&self) -> Result<Vec<TokenInfo>, ClientError> {
        self.list("/v1/tokens", &Query::none())
    }

    /// Makes a token.
    pub fn add_token(&self, request: &TokenAdd) -> Result<TokenIssued, ClientError> {
        self.send(Method::POST, "/v1/tokens", request)
    }

    /// Removes a token.
    pub fn remove_token(&self, token: Uuid) -> Result<(), ClientError> {
        self.delete(&format!("/v1/tokens/{token}"))
    }

    /// Adds a node.
    pub fn add_node(&self, request: &NodeAdd) -> Result<Node, ClientError> {
        self.send(Method::POST, "/v1/nodes", request)
    }

    /// Changes a node.
    pub fn update_node(&self, node: &NodeRef, request: &NodeUpdate) -> Result<Node, ClientError> {
        self.send(Method::PATCH, &format!("/v1/nodes/{node}"), request)
    }

    /// Pins other host keys.
    pub fn rotate_host_key(&self, node: &NodeRef, request: &RotateHostKey) -> Result<Node, ClientError> {
        self.send(Method::PUT, &format!("/v1/nodes/{node}/host-keys"), request)
    }

    /// Removes a node.
    pub fn remove_node(&self, node: &NodeRef) -> Result<(), ClientError> {
        self.delete(&format!("/v1/nodes/{node}"))
    }

    /// All roles.
    pub fn roles(&self) -> Result<Vec<RoleDocument>, ClientError> {
        self.list("/v1/roles", &Query::none())
    }

    /// One role.
    pub fn role(&self, role: &RoleName) -> Result<RoleDocument, ClientError> {
        self.get(&format!("/v1/roles/{role}"), &Query::none())
    }

    /// Makes or replaces a role.
    pub fn put_role(&self, request: &RolePut) -> Result<RoleDocument, ClientError> {
        self.send(Method::POST, "/v1/roles", request)
    }

    /// Removes a role.
    pub fn remove_role(&self, role: &RoleName) -> Result<(), ClientError> {
        self.delete(&format!("/v1/roles/{role}"))
    }

    /// All users.
    pub fn users(&self) -> Result<Vec<User>, ClientError> {
        self.list("/v1/users", &Query::none())
    }

    /// One user.
    pub fn user(&self, user: &UserName) -> Result<User, ClientError> {
        self.get(&format!("/v1/users/{user}"), &Query::none())
    }

    /// Adds a user.
    pub fn add_user(&self, request: &UserAdd) -> Result<UserAdded, ClientError> {
        self.send(Method::POST, "/v1/users", request)
    }

    /// Makes a set-up token for a person; the password that there was is void.
    pub fn reset_user(&self, user: &UserName, request: &UserReset) -> Result<SetupToken, ClientError> {
        self.send(Method::POST, &format!("/v1/users/{user}/reset"), request)
    }

    /// Begins the set-up of a person.
    pub fn begin_setup(&self, request: &SetupBegin) -> Result<SetupBegun, ClientError> {
        self.send(Method::POST, "/v1/users/setup", request)
    }

    /// Completes the set-up of a person.
    pub fn confirm_setup(&self, request: &SetupConfirm) -> Result<SetupDone, ClientError> {
        self.send(Method::POST, "/v1/users/setup/confirm", request)
    }

    /// Certificates for password and code.
    pub fn login(&self, request: &LoginRequest) -> Result<LoginReply, ClientError> {
        self.send(Method::POST, "/v1/login", request)
    }

    /// Changes a user.
    pub fn update_user(&self, user: &UserName, request: &UserUpdate) -> Result<User, ClientError> {
        self.send(Method::PATCH, &format!("/v1/users/{user}"), request)
    }

    /// Removes a user.
    pub fn remove_user(&self, user: &UserName) -> Result<(), ClientError> {
        self.delete(&format!("/v1/users/{user}"))
    }

    /// All bots.
    pub fn bots(&self) -> Result<Vec<Bot>, ClientError> {
        self.list("/v1/bots", &Query::none())
    }

    /// One bot.
    pub fn bot(&self, bot: &UserName) -> Result<Bot, ClientError> {
        self.get(&format!("/v1/bots/{bot}"), &Query::none())
    }

    /// Adds a bot with a join token.
    pub fn add_bot(&self, request: &BotAdd) -> Result<BotIssued, ClientError> {
        self.send(Method::POST, "/v1/bots", request)
    }

    /// Makes or replaces a bot, without a join token.
    pub fn put_bot(&self, bot: &UserName, request: &BotPut) -> Result<Bot, ClientError> {
        self.send(Method::PUT, &format!("/v1/bots/{bot}"), request)
    }

    /// Removes a bot.
    pub fn remove_bot(&self, bot: &UserName) -> Result<(), ClientError> {
        self.delete(&format!("/v1/bots/{bot}"))
    }

    /// The instances of a bot.
    pub fn bot_instances(&self, bot: &UserName) -> Result<Vec<BotInstance>, ClientError> {
        self.list(&format!("/v1/bots/{bot}/instances"), &Query::none())
    }

    /// Replaces the join token of a bot.
    pub fn rotate_token(&self, bot: &UserName, request: &TokenRotate) -> Result<BotIssued, ClientError> {
        self.send(Method::POST, &format!("/v1/bots/{bot}/token"), request)
    }

    /// Locks a bot.
    pub fn lock_bot(&self, bot: &UserName, request: &BotLock) -> Result<Lock, ClientError> {
        self.send(Method::POST, &format!("/v1/bots/{bot}/lock"), request)
    }

    /// Unlocks a bot or one of its instances.
    pub fn unlock_bot(&self, bot: &UserName, request: &BotUnlock) -> Result<(), ClientError> {
        self.act(&format!("/v1/bots/{bot}/unlock"), request)
    }

    /// The first certificates of a bot's instance, for a token.
    pub fn join(&self, request: &JoinRequest) -> Result<Credentials, ClientError> {
        self.send(Method::POST, "/v1/bots/join", request)
    }

    /// The first certificates of a bot, for an id token.
    pub fn join_oidc(&self, request: &OidcJoinRequest) -> Result<Credentials, ClientError> {
        self.send(Method::POST, "/v1/bots/join/oidc", request)
    }

    /// The next certificates of the instance whose client certificate this client shows.
    pub fn renew(&self, request: &RenewRequest) -> Result<Credentials, ClientError> {
        self.send(Method::POST, "/v1/bots/renew", request)
    }

    /// Says that the certificates that this client shows have arrived.
    pub fn acknowledge(&self) -> Result<(), ClientError> {
        self.act("/v1/bots/ack", &serde_json::json!({}))
    }

    /// The locks that are in force.
    pub fn locks(&self) -> Result<Vec<Lock>, ClientError> {
        self.list("/v1/locks", &Query::none())
    }

    /// One lock that is in force.
    pub fn lock(&self, lock: Uuid) -> Result<Lock, ClientError> {
        self.get(&format!("/v1/locks/{lock}"), &Query::none())
    }

    /// Adds a lock.
    pub fn add_lock(&self, request: &LockAdd) -> Result<Lock, ClientError> {
        self.send(Method::POST, "/v1/locks", request)
    }

    /// Removes a lock.
    pub fn remove_lock(&self, lock: Uuid) -> Result<(), ClientError> {
        self.delete(&format!("/v1/locks/{lock}"))
    }

    /// The revocations that are in force.
    pub fn revocations(&self) -> Result<Vec<Revocation>, ClientError> {
        self.list("/v1/revocations", &Query::none())
    }

    /// Revokes certificates or a key.
    pub fn revoke(&self, request: &RevocationAdd) -> Result<Revocation, ClientError> {
        self.send(Method::POST, "/v1/revocations", request)
    }

    /// Takes a revocation back.
    pub fn unrevoke(&self, revocation: Uuid) -> Result<(), ClientError> {
        self.delete(&format!("/v1/revocations/{revocation}"))
    }

    /// Asks for a user certificate.
    pub fn sign(&self, request: &SignRequest) -> Result<SignResponse, ClientError> {
        self.send(Method::POST, "/v1/certificates/user", request)
    }

    /// Asks for a host certificate.
    pub fn sign_host(&self, request: &HostSignRequest) -> Result<HostSignResponse, ClientError> {
        self.send(Method::POST, "/v1/certificates/host", request)
    }

    /// The public keys of a CA in the form that other programs read.
    pub fn export_ca(&self, ca: CaType) -> Result<String, ClientError> {
        let path = match ca {
            CaType::User => "/v1/ca/user.pub",
            CaType::OpenSsh => "/v1/ca/openssh.pub",
            CaType::Host => "/v1/ca/known_hosts",
            CaType::Tls => "/v1/ca/tls.pem",
        };
        self.text(path, &Query::none())
    }

    /// What stock SSH clients need to know, for a user or for whoever asks.
    pub fn ssh_config(&self, user: Option<&UserName>) -> Result<SshConfig, ClientError> {
        self.get("/v1/ssh-config", &Query::none().with_some("user", user))
    }

    /// What would be decided, and why.
    pub fn explain(&self, user: &UserName, target: &Target) -> Result<Explanation, ClientError> {
        let query = Query::none().with("user", user).with("target", target);
        self.get("/v1/access/explain", &query)
    }

    /// One page of audit events in the order of their numbers, and whether there may be more behind it: then the
    /// number to go on from.
    pub fn audit_page(&self, wanted: &AuditQuery) -> Result<AuditPage, ClientError> {
        let query = Query::none()
            .with_some("type", wanted.event_type.as_ref())
            .with_some("user", wanted.user.as_ref())
            .with_some("node", wanted.node.as_ref())
            .with_some("since", wanted.since)
            .with_some("after_seq", wanted.after_seq)
            .with_some("limit", wanted.limit);
        self.get("/v1/audit/events", &query)
    }

    /// All audit events that are wanted, in the order of their numbers; each page is given to `take`.
    pub fn audit_events<E: From<ClientError>>(
        &self,
        mut wanted: AuditQuery,
        mut take: impl FnMut(Vec<AuditEvent>) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            let page = self.audit_page(&wanted)?;
            take(page.events)?;
            match page.more {
                Some(seq) => wanted.after_seq = Some(seq),
                None => return Ok(()),
            }
        }
    }

    /// Checks the audit chain.
    pub fn verify_audit(&self) -> Result<AuditReport, ClientError> {
        self.get("/v1/audit/verify", &Query::none())
    }

    /// All recordings, oldest first.
    pub fn recordings(&self) -> Result<Vec<RecordingInfo>, ClientError> {
        self.list("/v1/recordings", &Query::none())
    }

    /// Copies the recording of a session to `sink`; how many bytes it has.
    pub fn recording(
        &self,
        session: Uuid,
        purpose: Purpose,
        sink: &mut impl Write,
    ) -> Result<u64, ClientError> {
        let query = Query::none().with("for", purpose.as_str());
        self.download(&format!("/v1/recordings/{session}/file"), &query, sink)
    }
}
