//! What an allowed access may do: the options of the roles, merged (the table of semantics section 1).

use std::cmp::Reverse;
use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use mezite_api::{RoleName, duration};

use crate::compiled::CompiledOptions;
use crate::options::JoinRequirement;
use crate::trace::Tracer;
use crate::{CompiledRole, Destination, ExecLimit, Glob, MfaMode, OwnSshd, RecordMode};

/// The outcome of a decision that allows.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Permits {
    /// The roles that grant the access, never none: their lists must all cover what is asked.
    granting: Vec<Arc<CompiledRole>>,
    /// Longest certificate.
    pub max_session_ttl: Duration,
    /// How much the session depends on its recording.
    pub record: RecordMode,
    /// How much output of a command without pty is recorded.
    pub record_exec_limit: ExecLimit,
    /// Agent forwarding.
    pub forward_agent: bool,
    /// X11 forwarding.
    pub x11_forwarding: bool,
    /// Cut after so long without channel data from the client.
    pub client_idle_timeout: Option<Duration>,
    /// Cut when the certificate expires.
    pub disconnect_expired_cert: bool,
    /// Connections of the user at once.
    pub max_connections: Option<u32>,
    /// Sessions of the connection at once.
    pub max_sessions: Option<u32>,
    /// A second factor for this connection.
    pub session_mfa: MfaMode,
    /// How long a code given from the same address with the same key holds.
    pub mfa_grace: Duration,
    /// Terminals.
    pub pty: bool,
    /// Commands, and subsystems other than sftp.
    pub exec: bool,
    /// The subsystem sftp.
    pub sftp: bool,
    /// Who must be there.
    pub session_join: Vec<JoinRequirement>,
}

impl Permits {
    /// The names of the roles that grant the access; the first one stands in audit events.
    pub fn granted_by(&self) -> impl Iterator<Item = &RoleName> {
        self.granting.iter().map(|role| role.name())
    }

    /// Whether the client may have `destination` opened on the node. `own` is the sshd the connection goes to.
    pub fn may_forward_local(&self, destination: Destination<'_>, own: &OwnSshd) -> bool {
        self.every(|options| options.port_forwarding.local.covers(destination, own))
    }

    /// Whether the client may have the node listen at `destination`.
    pub fn may_forward_remote(&self, destination: Destination<'_>, own: &OwnSshd) -> bool {
        self.every(|options| options.port_forwarding.remote.covers(destination, own))
    }

    /// Whether any local forwarding can be allowed, which a certificate for the node then carries.
    pub fn forwards_local(&self) -> bool {
        self.every(|options| !options.port_forwarding.local.is_no())
    }

    /// Whether any remote forwarding can be allowed.
    pub fn forwards_remote(&self) -> bool {
        self.every(|options| !options.port_forwarding.remote.is_no())
    }

    /// Whether an environment variable may be set.
    pub fn may_set_env(&self, name: &str) -> bool {
        self.every(|options| match &options.env {
            Some(globs) => globs.iter().any(|glob| glob.matches(name)),
            None => is_default_env(name),
        })
    }

    /// Whether some paths are out of reach for sftp and scp.
    pub fn limits_file_copy(&self) -> bool {
        !self.every(|options| options.copy_read.is_none() && options.copy_write.is_none())
    }

    /// Whether sftp and scp may read a path, which must be absolute and without `.` and `..`.
    pub fn may_read(&self, path: &str) -> bool {
        self.every(|options| covers_path(options.copy_read.as_deref(), path))
    }

    /// Whether sftp and scp may write a path, which must be absolute and without `.` and `..`.
    pub fn may_write(&self, path: &str) -> bool {
        self.every(|options| covers_path(options.copy_write.as_deref(), path))
    }

    fn every(&self, allowed: impl Fn(&CompiledOptions) -> bool) -> bool {
        !self.granting.is_empty() && self.granting.iter().all(|role| allowed(&role.options))
    }
}

/// What may be set when a role says nothing: `LANG`, `LC_*`, `COLORTERM`, `TERM*`.
fn is_default_env(name: &str) -> bool {
    name == "LANG" || name == "COLORTERM" || name.starts_with("LC_") || name.starts_with("TERM")
}

fn covers_path(globs: Option<&[Glob]>, path: &str) -> bool {
    let climbs = path.split('/').any(|part| part == "..");
    globs.is_none_or(|globs| !climbs && globs.iter().any(|glob| glob.matches_path(path)))
}

/// Merges options: restrictions over `matching`, the roles that are about the node, permits over `granting`,
/// those of them that also allow the login. Neither is empty.
pub(crate) fn merge(
    matching: &[&Arc<CompiledRole>],
    granting: &[&Arc<CompiledRole>],
    trace: &mut impl Tracer,
) -> Permits {
    let mut all = Merge { roles: matching, trace: &mut *trace };
    let max_session_ttl = all.shortest("spec.options.max_session_ttl", |o| Some(o.max_session_ttl));
    let record = all.strictest("spec.options.record_session", |o| o.record_session);
    let record_exec_limit = all.strictest("spec.options.record_exec_limit", |o| o.record_exec_limit);
    let client_idle_timeout = all.shortest("spec.options.client_idle_timeout", |o| o.client_idle_timeout);
    let disconnect_expired_cert =
        all.strictest("spec.options.disconnect_expired_cert", |o| o.disconnect_expired_cert);
    let max_connections = all.smallest("spec.options.max_connections", |o| o.max_connections);
    let max_sessions = all.smallest("spec.options.max_sessions", |o| o.max_sessions);
    let session_mfa = all.strictest("spec.options.require_session_mfa", |o| o.session_mfa);
    // A role that asks for no code has no say in how long one holds.
    let mfa_grace =
        all.shortest("spec.options.mfa_grace", |o| (o.session_mfa != MfaMode::No).then_some(o.mfa_grace));
    let session_join = matching.iter().flat_map(|role| role.options.session_join.iter().cloned()).collect();

    let mut some = Merge { roles: granting, trace };
    let forward_agent = some.every("spec.options.forward_agent", |o| o.forward_agent);
    let x11_forwarding = some.every("spec.options.permit_x11_forwarding", |o| o.x11_forwarding);
    let pty = some.every("spec.options.permit_pty", |o| o.pty);
    let exec = some.every("spec.options.permit_exec", |o| o.exec);
    let sftp = some.every("spec.options.permit_sftp", |o| o.sftp);
    some.note_lists();
    Permits {
        granting: granting.iter().map(|role| Arc::clone(role)).collect(),
        max_session_ttl: max_session_ttl.unwrap_or_default(),
        record: record.unwrap_or(RecordMode::Strict),
        record_exec_limit: record_exec_limit.unwrap_or(ExecLimit::Unlimited),
        forward_agent,
        x11_forwarding,
        client_idle_timeout,
        disconnect_expired_cert: disconnect_expired_cert.unwrap_or(true),
        max_connections,
        max_sessions,
        session_mfa: session_mfa.unwrap_or_default(),
        mfa_grace: mfa_grace.unwrap_or_default(),
        pty,
        exec,
        sftp,
        session_join,
    }
}

/// One pass over some roles, telling the tracer which role each value came from.
struct Merge<'a, T> {
    roles: &'a [&'a Arc<CompiledRole>],
    trace: &'a mut T,
}

impl<T: Tracer> Merge<'_, T> {
    /// The greatest value; the first role that has it is the cause.
    fn strictest<V: Ord + Display>(
        &mut self,
        field: &'static str,
        value: impl Fn(&CompiledOptions) -> V,
    ) -> Option<V> {
        let cause = self.roles.iter().min_by_key(|role| Reverse(value(&role.options)))?;
        let value = value(&cause.options);
        self.trace.step(&value, Some(cause.name()), field);
        Some(value)
    }

    /// The smallest of the values that are there.
    fn least<V: Ord>(&self, value: impl Fn(&CompiledOptions) -> Option<V>) -> Option<(V, &RoleName)> {
        let values = self.roles.iter().filter_map(|role| Some((value(&role.options)?, role.name())));
        values.min_by(|a, b| a.0.cmp(&b.0))
    }

    fn shortest(
        &mut self,
        field: &'static str,
        value: impl Fn(&CompiledOptions) -> Option<Duration>,
    ) -> Option<Duration> {
        let (value, cause) = self.least(value)?;
        let cause = cause.clone();
        self.trace.step(&DurationText(value), Some(&cause), field);
        Some(value)
    }

    fn smallest(
        &mut self,
        field: &'static str,
        value: impl Fn(&CompiledOptions) -> Option<u32>,
    ) -> Option<u32> {
        let (value, cause) = self.least(value)?;
        let cause = cause.clone();
        self.trace.step(&value, Some(&cause), field);
        Some(value)
    }

    /// True when every role permits it; otherwise the first that does not is the cause.
    fn every(&mut self, field: &'static str, permits: impl Fn(&CompiledOptions) -> bool) -> bool {
        let refusing = self.roles.iter().find(|role| !permits(&role.options));
        let cause = refusing.or(self.roles.first()).map(|role| role.name());
        self.trace.step(&refusing.is_none(), cause, field);
        refusing.is_none()
    }

    /// Notes the lists, of which each must cover what is asked.
    fn note_lists(&mut self) {
        for role in self.roles {
            let (options, name) = (&role.options, Some(role.name()));
            self.trace.step(&options.port_forwarding.local, name, "spec.options.port_forwarding.local");
            self.trace.step(&options.port_forwarding.remote, name, "spec.options.port_forwarding.remote");
            for (globs, field) in [
                (&options.env, "spec.options.permit_env"),
                (&options.copy_read, "spec.options.file_copy.read"),
                (&options.copy_write, "spec.options.file_copy.write"),
            ] {
                if let Some(globs) = globs {
                    self.trace.step(&List(globs), name, field);
                }
            }
        }
    }
}

struct DurationText(Duration);

impl Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&duration::format(self.0))
    }
}

struct List<'a>(&'a [Glob]);

impl Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<&str> = self.0.iter().map(Glob::as_str).collect();
        write!(f, "[{}]", texts.join(", "))
    }
}
