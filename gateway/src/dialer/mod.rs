//! The dialer: from a decision to a node leg that has authenticated.
//!
//! A node is dialled only for an identity that has proved its key. Its host key is checked before anything else is sent,
//! and the certificate that opens it is made for this one connection.

mod address;
mod error;
mod hostkey;
mod look;
mod places;

pub(crate) use address::{Forbidden, check, is_self_connection};
pub use error::{DialError, HostKeyFault};
pub use hostkey::Witness;
pub use look::{Look, Looked, Question};

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use mezite_actors::net::{self, TcpStream};
use mezite_actors::time;
use mezite_api::{Host, Node, NodeAddress};
use mezite_ca::{CaKind, NodeLegCredential, TrustedSet};
use mezite_ssh::Error;
use mezite_ssh::client::{self, Answer, Client, HostKeyPolicy};
use mezite_ssh::hostkey::{KeyPair, KeyPairError};
use mezite_ssh::transport::Limits;

use crate::leg::{Leg, LegError};
use hostkey::NodeHostKey;
use places::{Places, Slot};

const RESOLVE: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(10);
/// Waiting for a place in a node's queue.
const QUEUE: Duration = Duration::from_mins(1);
/// A node's whole part in authentication. Half of what the client has for all of its own, so that the client hears who was slow.
const AUTHENTICATE: Duration = Duration::from_mins(1);
/// Pauses before further attempts at a node that closes before its greeting. The first is only for those of our own who
/// were there at the same time; then somebody else keeps it full.
const PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(4)];

/// Makes the key and certificate for one connection, signed by the CA asked for.
pub type Credentials<'a> = dyn Fn(CaKind) -> BoxFuture<'a, Result<Credential, String>> + Send + Sync + 'a;

/// A key and its certificate, to be shown to a node.
pub struct Credential {
    /// Both.
    pub pair: KeyPair,
    /// The fingerprint of the CA key that signed.
    pub ca_key: String,
}

impl Credential {
    /// As the authority made it.
    ///
    /// # Errors
    /// Key and certificate do not go together.
    pub fn new(made: &NodeLegCredential) -> Result<Self, KeyPairError> {
        let pair = KeyPair::new(made.key().clone())?;
        let pair = pair.with_certificate(made.certificate().blob().to_vec())?;
        Ok(Self { pair, ca_key: made.signed_by().fingerprint() })
    }
}

/// What is dialled.
pub struct Dial<'a> {
    /// The node.
    pub node: &'a Node,
    /// The account.
    pub login: &'a str,
    /// Who wants to go there.
    pub user: &'a str,
    /// Makes the certificates.
    pub credentials: &'a Credentials<'a>,
}

/// A node leg that stands.
pub struct Dialled {
    /// The leg, authenticated.
    pub leg: Leg<Client>,
    /// The address that was dialled.
    pub address: SocketAddr,
    /// The CA that opened the node.
    pub opened_by: CaKind,
    /// The fingerprint of its key that did.
    pub ca_key: String,
    /// What it has shown of its host key, and goes on to show.
    pub witness: Witness,
}

/// A node leg whose keys were exchanged.
struct Greeted {
    leg: Leg<Client>,
    address: SocketAddr,
    witness: Witness,
}

/// Dials nodes. One for all connections, since what it remembers of a node serves them all.
pub struct Dialer {
    own: Vec<SocketAddr>,
    places: Places,
    limits: Limits,
}

impl Dialer {
    /// `own` are the gateway's listeners, which are never dialled.
    pub fn new(own: Vec<SocketAddr>, limits: Limits) -> Self {
        Self { own, places: Places::default(), limits }
    }

    /// Dials, checks the host key and authenticates.
    ///
    /// # Errors
    /// Why the leg does not stand.
    pub async fn dial(&self, dial: &Dial<'_>, host_ca: Arc<TrustedSet>) -> Result<Dialled, DialError> {
        let id = dial.node.id();
        let slot = time::timeout(QUEUE, self.places.enter(id, dial.user, dial.login)).await;
        let mut slot = slot.ok().flatten().ok_or(DialError::Queue)?;
        if self.places.is_braked(id, dial.user, dial.login) {
            return Err(DialError::Braked);
        }
        let greeted = self.greet_patiently(dial.node, &host_ca, &mut slot).await?;
        let answered = time::timeout(AUTHENTICATE, self.authenticate(greeted, dial)).await;
        answered.unwrap_or(Err(DialError::Silent(AUTHENTICATE)))
    }

    /// Connects and exchanges keys; a node that is full is asked again, by one at a time.
    async fn greet_patiently(
        &self,
        node: &Node,
        host_ca: &Arc<TrustedSet>,
        slot: &mut Slot,
    ) -> Result<Greeted, DialError> {
        let (id, started, mut tries) = (node.id(), Instant::now(), 0);
        let mut pauses = PAUSES.into_iter();
        loop {
            match self.greet(node, host_ca.clone()).await {
                Err(DialError::Handshake(error)) if closed_early(&error) => tries += 1,
                other => return other,
            }
            let alone = time::timeout(QUEUE, self.places.turned_away(id, slot)).await;
            let Some(pause) = pauses.next() else {
                self.places.given_up(id);
                return Err(DialError::NoGreeting { tries, over: started.elapsed() });
            };
            if alone != Ok(true) {
                return Err(DialError::NoGreeting { tries, over: started.elapsed() });
            }
            time::sleep(jittered(pause)).await;
        }
    }

    /// Dials up to the end of the first key exchange, without authenticating: the host key is what is asked for.
    ///
    /// # Errors
    /// Why it does not come so far, a host key that is not the pinned one among the reasons.
    pub async fn probe_host_key(
        &self,
        node: &Node,
        host_ca: Arc<TrustedSet>,
    ) -> Result<SocketAddr, DialError> {
        let Greeted { mut leg, address, .. } = self.greet(node, host_ca).await?;
        leg.disconnect(mezite_ssh::error::reason::BY_APPLICATION, "host key seen").await;
        Ok(address)
    }

    /// Connects and exchanges keys.
    fn greet<'a>(
        &'a self,
        node: &'a Node,
        host_ca: Arc<TrustedSet>,
    ) -> impl Future<Output = Result<Greeted, DialError>> + 'a {
        let witness = Witness::new(node);
        let policy = NodeHostKey::new(node, host_ca, witness.clone());
        self.greet_as(node, Box::new(policy), witness)
    }

    /// The same, where this policy decides about the host key.
    async fn greet_as(
        &self,
        node: &Node,
        host_keys: Box<dyn HostKeyPolicy>,
        witness: Witness,
    ) -> Result<Greeted, DialError> {
        let (socket, address) = self.connect(&node.spec.addr).await?;
        let config = client::Config { host_keys, limits: self.limits.clone() };
        let mut leg = Leg::new(Client::new(config, Instant::now()), socket);
        let secured = leg.until(|engine| match engine.poll_event()? {
            Some(client::Event::Secured) => Ok(Some(())),
            _ => Ok(None),
        });
        match secured.await {
            Ok(()) => Ok(Greeted { leg, address, witness }),
            Err(error) if closed_early(&error) && leg.engine.peer_line().is_some() => {
                Err(LegError::Engine(Error::Disconnected { reason: 0, text: "closed by the node".into() })
                    .into())
            }
            Err(error) => Err(witness.fault(&error).unwrap_or_else(|| error.into())),
        }
    }

    async fn connect(&self, recorded: &NodeAddress) -> Result<(TcpStream, SocketAddr), DialError> {
        let port = recorded.port.number();
        let addresses = match &recorded.host {
            Host::Ip(ip) => vec![SocketAddr::new(*ip, port)],
            Host::Name(name) => match time::timeout(RESOLVE, net::resolve(name.as_str(), port)).await {
                Ok(Ok(addresses)) if !addresses.is_empty() => addresses,
                Ok(Ok(_)) => return Err(DialError::Resolve("no address".into())),
                Ok(Err(error)) => return Err(DialError::Resolve(error.to_string())),
                Err(_) => return Err(DialError::Resolve("the resolver does not answer".into())),
            },
        };
        let mut last = DialError::Resolve("no address".into());
        for address in addresses.into_iter().take(8) {
            if let Err(forbidden) = address::check(recorded, address, &self.own) {
                last = DialError::Forbidden(forbidden, address);
                continue;
            }
            match TcpStream::connect(address, CONNECT).await {
                Ok(socket) if self.is_self(&socket) => {
                    last = DialError::Forbidden(address::Forbidden::Own, address);
                }
                Ok(socket) => return Ok((socket, address)),
                Err(error) => last = DialError::Connect { address, reason: connect_reason(&error) },
            }
        }
        Err(last)
    }

    fn is_self(&self, socket: &TcpStream) -> bool {
        match (socket.local_addr(), socket.peer_addr()) {
            (Ok(local), Ok(peer)) => address::is_self_connection(local, peer, &self.own),
            _ => false,
        }
    }

    /// Tries a certificate of each CA, the one that worked last first, on one connection.
    async fn authenticate(&self, greeted: Greeted, dial: &Dial<'_>) -> Result<Dialled, DialError> {
        let Greeted { mut leg, address, witness } = greeted;
        let id = dial.node.id();
        for ca in self.places.order(id) {
            let credential = (dial.credentials)(ca).await.map_err(DialError::Credential)?;
            let Credential { pair, ca_key } = credential;
            leg.engine.authenticate(dial.login, &pair).map_err(LegError::from)?;
            let answered = leg.until(|engine| match engine.poll_event()? {
                Some(client::Event::Authentication(answer)) => Ok(Some(answer)),
                _ => Ok(None),
            });
            let mut answer = answered.await;
            while let Ok(Answer::Banner(_)) = answer {
                answer = leg
                    .until(|engine| match engine.poll_event()? {
                        Some(client::Event::Authentication(answer)) => Ok(Some(answer)),
                        _ => Ok(None),
                    })
                    .await;
            }
            match answer {
                Ok(Answer::Success) => {
                    self.places.let_in(id, dial.user, dial.login, ca);
                    return Ok(Dialled { leg, address, opened_by: ca, ca_key, witness });
                }
                Ok(_) => {}
                // sshd ends the connection when it has had enough of us.
                Err(LegError::Closed | LegError::Engine(Error::Disconnected { .. })) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.places.refused(id, dial.user, dial.login);
        leg.disconnect(mezite_ssh::error::reason::NO_MORE_AUTH_METHODS, "no more certificates").await;
        Err(DialError::Login)
    }
}

fn closed_early(error: &LegError) -> bool {
    match error {
        LegError::Closed => true,
        LegError::Socket(error) => {
            matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
        }
        LegError::Engine(_) => false,
    }
}

fn connect_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => "no answer".to_owned(),
        _ => mezite_api::escape(error.to_string()),
    }
}

/// Half to one and a half times `pause`, so that those who were turned away together do not come back together.
fn jittered(pause: Duration) -> Duration {
    use rand_core::RngCore;
    let share = f64::from(rand_core::OsRng.next_u32()) / f64::from(u32::MAX);
    pause.mul_f64(0.5 + share)
}
