//! Access: what is asked, what is granted, and every way in which it is refused.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use mezite_access::Permits;
use mezite_api::{Login, Node, NodeRef, User, UserName, escape};
use mezite_ca::{ClientCertificate, UserCertificate};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::bots::Shown;
use super::tokens::hex;
use crate::authority::timestamp;

/// The holder of a certificate that was verified.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Whom it names.
    pub user: UserName,
    /// Where it is a bot's: which certificate of which instance.
    pub bot: Option<Shown>,
    /// Where the connection comes from.
    pub source: IpAddr,
    /// The certificate.
    pub credential: Credential,
}

/// What a certificate is known by where it was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its number; the SSH and the X.509 certificate of one issue have the same.
    pub serial: u64,
    /// The keys that it is for or was issued beside: the fingerprint of an SSH key, or [`x509_key`](Self::x509_key).
    pub keys: Vec<String>,
    /// Its `valid_after`. A user who was made later is another one of the same name.
    pub valid_after: Timestamp,
}

impl Credential {
    /// That of an SSH certificate.
    pub fn of_ssh(certificate: &UserCertificate) -> Self {
        Self {
            serial: certificate.serial,
            keys: vec![certificate.key.fingerprint()],
            valid_after: timestamp(certificate.valid_after),
        }
    }

    /// That of a client certificate.
    pub fn of_tls(certificate: &ClientCertificate) -> Self {
        let own = hex(&certificate.key_digest);
        Self {
            serial: certificate.serial,
            keys: certificate.ssh_key.iter().cloned().chain([own]).collect(),
            valid_after: timestamp(certificate.valid_after),
        }
    }

    /// The name of a key that is a DER `SubjectPublicKeyInfo`: its digest in hex.
    pub fn x509_key(spki: &[u8]) -> String {
        hex(&Sha256::digest(spki))
    }
}

/// Asks for access.
#[derive(Debug, Clone)]
pub struct AccessRequest {
    /// Who.
    pub subject: Subject,
    /// As which local account.
    pub login: Login,
    /// On which node, as it was asked.
    pub node: NodeRef,
}

/// What a connection that lives is held by: a lock on any of it cuts the connection, and so does the end of its user or
/// instance.
#[derive(Debug, Clone)]
pub struct Holding {
    /// Who.
    pub user: UserName,
    /// And the identity: who is made later under the name is another one.
    pub user_id: Uuid,
    /// Where that is a bot: by which instance.
    pub instance: Option<Uuid>,
    /// As which local account, where it leads to a node.
    pub login: Option<Login>,
    /// On which node, where it leads to one.
    pub node: Option<Uuid>,
    /// From where.
    pub source: IpAddr,
    /// The certificate by which it came in.
    pub credential: Credential,
    /// The sessions that run on it.
    pub sessions: Vec<Uuid>,
    /// Fingerprints of the CA keys that it was believed by, and let in by.
    pub ca_keys: Vec<String>,
}

/// Access.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Who.
    pub user: Arc<User>,
    /// As which local account.
    pub login: Login,
    /// On which node.
    pub node: Node,
    /// And what may be done there.
    pub permits: Arc<Permits>,
}

/// Why access is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The certificate names nobody who is known.
    UnknownUser,
    /// The user is disabled.
    Disabled,
    /// The certificate was of another one of the same name: it is older than the user, or of a bot where the user is
    /// a person.
    OtherUser,
    /// The record of the bot contradicts the certificate: it is old, was replaced, or is of no instance.
    Generation,
    /// The certificate was revoked, by its number, its key, or with all of its user.
    Revoked,
    /// The user has no roles: no certificate is worth anything.
    NoRoles,
    /// A lock is in force, with its message.
    Locked(Option<String>),
    /// No such node.
    UnknownNode,
    /// Roles refuse; the user may not even know of the node.
    Hidden(mezite_access::Refusal),
    /// Roles refuse.
    Role(mezite_access::Refusal),
    /// The user may see so many nodes of this address.
    Ambiguous(usize),
    /// The roles ask for something that this gateway does not do; what.
    Unsupported(&'static str),
    /// A role of the user cannot be read, or the store cannot, or nobody answers.
    Unavailable(String),
}

impl Refusal {
    /// The word for audit events.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::Disabled => "disabled",
            Self::OtherUser => "other_user",
            Self::Generation => "generation",
            Self::Revoked => "revoked",
            Self::NoRoles => "no_roles",
            Self::Locked(_) => "locked",
            Self::UnknownNode => "unknown_node",
            Self::Hidden(refusal) | Self::Role(refusal) => refusal.reason(),
            Self::Ambiguous(_) => "ambiguous",
            Self::Unsupported(_) => "unsupported",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// The type of the audit event: what is wrong with who the certificate names is `cert.refuse`.
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::UnknownUser | Self::Disabled | Self::OtherUser | Self::Generation | Self::Revoked => {
                "cert.refuse"
            }
            _ => "access.refuse",
        }
    }

    /// What else audit events say: the role that decided, or the cause.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Hidden(refusal) | Self::Role(refusal) => Some(refusal.to_string()),
            Self::Unsupported(what) => Some((*what).into()),
            Self::Unavailable(why) => Some(escape(why)),
            _ => None,
        }
    }

    /// What the person reads, without the frame of semantics section 9. A node that does not exist, one that is
    /// hidden and one where the login is not allowed read the same. `node` is the text that was asked for.
    pub fn line(&self, user: &UserName, login: &Login, node: &NodeRef) -> String {
        let node = node.without_default_port();
        match self {
            Self::UnknownNode | Self::Hidden(_) | Self::Role(_) => format!(
                "access refused: {user} may not log in as {login} on {node}. \
                 Ask an administrator ('mezctl access explain {user} {login}@{node}')"
            ),
            Self::Ambiguous(count) => {
                format!(
                    "access refused: {node} is the address of {count} nodes. Use a node's name or UUID ('msh ls -v'), or add its port"
                )
            }
            Self::Unsupported(what) => format!(
                "access refused: your roles ask for {what}, which this gateway does not offer. Ask an administrator"
            ),
            _ => self.user_line(user),
        }
    }

    /// Why a connection is cut by it, for audit events.
    pub fn cut_reason(&self) -> &'static str {
        match self {
            Self::UnknownUser | Self::OtherUser => "removed",
            Self::Disabled => "disabled",
            Self::Generation | Self::Revoked => "revoked",
            _ => "lock",
        }
    }

    /// What the person reads whose connection it cuts.
    pub fn cut_line(&self) -> String {
        match self {
            Self::Locked(Some(message)) => {
                format!("disconnected: locked: {}. Ask an administrator", escape(message))
            }
            Self::Locked(None) => "disconnected: locked. Ask an administrator".into(),
            Self::UnknownUser | Self::OtherUser => {
                "disconnected: this user was removed. Ask an administrator".into()
            }
            Self::Disabled => "disconnected: this user was disabled. Ask an administrator".into(),
            Self::Generation => {
                "disconnected: this instance of the bot was revoked. Give it a new join token".into()
            }
            Self::Revoked => "disconnected: your certificate was revoked. Log in again with 'msh login', \
                              or ask for 'mezctl auth sign'"
                .into(),
            _ => "disconnected: the gateway cannot tell whether you are locked. Try again later".into(),
        }
    }

    /// As [`line`](Self::line), for refusals that are not about a node.
    pub fn user_line(&self, user: &UserName) -> String {
        let ask = "Ask an administrator";
        match self {
            Self::UnknownUser => format!("access refused: there is no user {user} any more. {ask}"),
            Self::Disabled => format!("access refused: {user} is disabled. {ask}"),
            Self::NoRoles => format!("access refused: {user} has no roles. {ask}"),
            Self::OtherUser => {
                format!("access refused: your certificate is older than the user {user}. Log in again")
            }
            Self::Generation => format!(
                "access refused: this certificate of {user} is not in use any more. \
                 Read the pair again from the folder of 'mezd identity'"
            ),
            Self::Revoked => "access refused: your certificate was revoked. Log in again with 'msh login', \
                              or ask for 'mezctl auth sign'"
                .into(),
            Self::Locked(Some(message)) => format!("access refused: locked: {}. {ask}", escape(message)),
            Self::Locked(None) => format!("access refused: locked. {ask}"),
            _ => "access refused: the gateway cannot decide now. Try again later".into(),
        }
    }
}
