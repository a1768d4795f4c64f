//! The form of a role that decides.

use std::time::Duration;

use mezite_api::RoleName;

use crate::label::LabelSelector;
use crate::login::{DeniedLogin, LoginPattern};
use crate::options::{JoinPermit, PortForwarding, RoleOptions};
use crate::rule::Rule;
use crate::{ExecLimit, Glob, JoinRequirement, MfaMode, RecordMode, Role};

/// A role with every default filled in.
#[derive(Debug)]
pub struct CompiledRole {
    pub(crate) name: RoleName,
    pub(crate) allow_labels: LabelSelector,
    pub(crate) allow_logins: Vec<LoginPattern>,
    pub(crate) allow_rules: Vec<Rule>,
    pub(crate) join_sessions: Vec<JoinPermit>,
    pub(crate) deny_labels: LabelSelector,
    pub(crate) deny_logins: Vec<DeniedLogin>,
    pub(crate) deny_rules: Vec<Rule>,
    pub(crate) options: CompiledOptions,
}

/// Options as they count (semantics section 1).
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct CompiledOptions {
    pub(crate) max_session_ttl: Duration,
    pub(crate) record_session: RecordMode,
    pub(crate) record_exec_limit: ExecLimit,
    pub(crate) forward_agent: bool,
    pub(crate) x11_forwarding: bool,
    pub(crate) port_forwarding: PortForwarding,
    pub(crate) client_idle_timeout: Option<Duration>,
    pub(crate) disconnect_expired_cert: bool,
    pub(crate) max_connections: Option<u32>,
    pub(crate) max_sessions: Option<u32>,
    pub(crate) session_mfa: MfaMode,
    pub(crate) mfa_grace: Duration,
    pub(crate) direct_access: bool,
    pub(crate) pin_source_ip: bool,
    pub(crate) pty: bool,
    pub(crate) exec: bool,
    pub(crate) sftp: bool,
    pub(crate) env: Option<Vec<Glob>>,
    pub(crate) copy_read: Option<Vec<Glob>>,
    pub(crate) copy_write: Option<Vec<Glob>>,
    pub(crate) session_join: Vec<JoinRequirement>,
}

/// The longest certificate when nothing is said: 12 hours.
const DEFAULT_SESSION_TTL: Duration = Duration::from_hours(12);

impl CompiledRole {
    /// The role's name.
    pub fn name(&self) -> &RoleName {
        &self.name
    }

    /// Whether it opens every node, which is worth a warning where it is stored.
    pub fn grants_every_node(&self) -> bool {
        self.allow_labels == LabelSelector::Every && !self.allow_logins.is_empty()
    }

    /// What it permits to join.
    pub fn join_sessions(&self) -> &[JoinPermit] {
        &self.join_sessions
    }
}

impl From<Role> for CompiledRole {
    fn from(role: Role) -> Self {
        let name = role.name().clone();
        let spec = role.spec;
        Self {
            name,
            allow_labels: spec.allow.node_labels,
            allow_logins: spec.allow.logins,
            allow_rules: spec.allow.rules,
            join_sessions: spec.allow.join_sessions,
            deny_labels: spec.deny.node_labels,
            deny_logins: spec.deny.logins,
            deny_rules: spec.deny.rules,
            options: spec.options.into(),
        }
    }
}

impl From<RoleOptions> for CompiledOptions {
    fn from(options: RoleOptions) -> Self {
        Self {
            max_session_ttl: options.max_session_ttl.unwrap_or(DEFAULT_SESSION_TTL),
            record_session: options.record_session.unwrap_or(RecordMode::Strict),
            record_exec_limit: options.record_exec_limit.unwrap_or(ExecLimit::DEFAULT),
            forward_agent: options.forward_agent.unwrap_or(false),
            x11_forwarding: options.permit_x11_forwarding.unwrap_or(false),
            port_forwarding: options.port_forwarding,
            client_idle_timeout: options.client_idle_timeout,
            disconnect_expired_cert: options.disconnect_expired_cert.unwrap_or(false),
            max_connections: options.max_connections,
            max_sessions: options.max_sessions,
            session_mfa: options.require_session_mfa.unwrap_or_default(),
            mfa_grace: options.mfa_grace.unwrap_or_default(),
            direct_access: options.direct_access.unwrap_or(true),
            pin_source_ip: options.pin_source_ip.unwrap_or(false),
            pty: options.permit_pty.unwrap_or(true),
            exec: options.permit_exec.unwrap_or(true),
            sftp: options.permit_sftp.unwrap_or(true),
            env: options.permit_env,
            copy_read: options.file_copy.read,
            copy_write: options.file_copy.write,
            session_join: options.require_session_join,
        }
    }
}
