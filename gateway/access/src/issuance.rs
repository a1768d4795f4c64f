//! What a user certificate may carry. It is not bound to a node, so restrictions of all roles count.

use std::collections::BTreeSet;
use std::time::Duration;

use mezite_api::Login;

use crate::{Forwarding, UserFacts};

/// What the roles of a user say about certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Issuance {
    /// Principals besides the user's name; none without `direct_access`.
    pub logins: Vec<Login>,
    /// The longest life.
    pub max_session_ttl: Duration,
    /// Whether it is bound to the address of the login.
    pub pin_source_ip: bool,
    /// The extension `permit-pty`.
    pub pty: bool,
    /// The extension `permit-agent-forwarding`.
    pub forward_agent: bool,
    /// The extension `permit-X11-forwarding`.
    pub x11_forwarding: bool,
    /// The extension `permit-port-forwarding`, which a node cannot narrow to a list.
    pub port_forwarding: bool,
    /// The extension `permit-port-forwarding@mezite`: some role permits some forwarding, which the gateway narrows.
    pub listed_forwarding: bool,
}

/// What a certificate for `user` may carry; nothing for a user without roles.
pub fn issuance(user: &UserFacts<'_>) -> Option<Issuance> {
    let options = || user.roles.iter().map(|role| &role.options);
    let max_session_ttl = options().map(|options| options.max_session_ttl).min()?;
    let direct = options().all(|options| options.direct_access);
    let opening =
        || user.roles.iter().filter(|role| !role.allow_labels.is_none() && !role.allow_logins.is_empty());
    let logins: BTreeSet<Login> = opening().flat_map(|role| role.logins_for(user)).collect();
    let every = |permits: fn(&crate::compiled::CompiledOptions) -> bool| {
        opening().next().is_some() && opening().all(|role| permits(&role.options))
    };
    Some(Issuance {
        logins: if direct { logins.into_iter().collect() } else { Vec::new() },
        max_session_ttl,
        pin_source_ip: options().any(|options| options.pin_source_ip),
        pty: every(|options| options.pty),
        forward_agent: every(|options| options.forward_agent),
        x11_forwarding: every(|options| options.x11_forwarding),
        port_forwarding: every(|options| {
            options.port_forwarding.local == Forwarding::Any
                && options.port_forwarding.remote == Forwarding::Any
        }),
        listed_forwarding: opening().any(|role| {
            let forwarding = &role.options.port_forwarding;
            forwarding.local != Forwarding::No || forwarding.remote != Forwarding::No
        }),
    })
}
