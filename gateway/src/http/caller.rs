//! Who sends a request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use mezite_api::UserName;
use mezite_ca::{ClientCertificate, ClientIdentity, Verified};

use crate::inventory::{Credential, Serial, Shown, Subject};

/// Who sends a request.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Anybody, over TLS, from this address.
    Public(SocketAddr),
    /// The holder of a client certificate of the cluster, over TLS.
    Client(Arc<TlsClient>),
    /// A local process over the Unix socket, by the user id that the kernel names.
    Operator(u32),
}

impl Caller {
    /// Where the request comes from; this machine where it comes over the socket.
    pub fn source(&self) -> IpAddr {
        match self {
            Self::Public(source) => source.ip().to_canonical(),
            Self::Client(client) => client.source.ip().to_canonical(),
            Self::Operator(_) => Ipv4Addr::LOCALHOST.into(),
        }
    }
}

/// The holder of a client certificate: the handshake has proved that it has the key. Whether it may do anything is
/// asked of the store with each request.
#[derive(Debug)]
pub struct TlsClient {
    /// What its certificate says. It may have expired since it was verified.
    pub certificate: Verified<ClientCertificate>,
    /// Where the connection comes from.
    pub source: SocketAddr,
}

impl TlsClient {
    /// Whether the certificate is still valid: one that is not serves a bot's renewal and nothing else.
    pub fn is_current(&self) -> bool {
        self.certificate.is_current(SystemTime::now())
    }

    /// What the certificate is known by where it was revoked.
    pub fn credential(&self) -> Credential {
        Credential::of_tls(&self.certificate)
    }

    /// Whom the certificate names, as decisions take it; nobody where that is no name of a user.
    pub fn subject(&self) -> Option<Subject> {
        let bot = match &self.certificate.identity {
            ClientIdentity::User { .. } => None,
            ClientIdentity::Bot { generation, instance, .. } => {
                let serial = Serial::Tls(self.certificate.serial);
                Some(Shown::new(instance, *generation, serial)?)
            }
        };
        Some(Subject {
            user: UserName::parse(self.certificate.identity.name()).ok()?,
            bot,
            source: self.source.ip(),
            credential: self.credential(),
        })
    }
}
