//! The life of one connection, in order: authentication, decision, node leg, relay.

mod authentication;
mod code;
mod events;
mod gate;
mod live;
mod locks;
mod node_leg;
mod refusals;
mod seen;
mod visitor;

pub use live::{Connections, LiveConnection};
pub use locks::{LOCKS, enforce as enforce_locks};
pub use refusals::Refusals;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::Either;
use mezite_access::OwnSshd;
use mezite_api::NodeRef;
use mezite_ssh::server::{self, Server};
use mezite_ssh::transport::Limits;
use uuid::Uuid;

use crate::bots::Guesses;
use crate::dialer::Dialer;
use crate::front::Ticket;
use crate::inventory::Inventory;
use crate::leg::{Leg, LegError};
use crate::oidc::Issuers;
use crate::people::People;
use crate::race::race;
use crate::recorder::Recorder;
use crate::relay::{Ended, Relay, Terms};
use crate::shared::Shared;
use crate::socket::Socket;
use authentication::{Admitted, Authentication, Entered};
use gate::{ConnectionGate, Holder};
use seen::Sight;

/// What connections use of the rest of the gateway.
pub struct Services {
    /// Store, authority, auditor, settings.
    pub shared: Arc<Shared>,
    /// Who decides.
    pub inventory: Inventory,
    /// Who dials.
    pub dialer: Dialer,
    /// Who records.
    pub recorder: Recorder,
    /// What lives now.
    pub connections: Connections,
    /// Who writes down those who never said who they are.
    pub refusals: Refusals,
    /// Who guesses at tokens.
    pub guesses: Guesses,
    /// Whose id tokens bots join with.
    pub issuers: Issuers,
    /// Who tries to log in.
    pub people: People,
    /// Deadlines and volumes of both legs.
    pub limits: Limits,
}

/// How a client has come in.
#[derive(Debug, Clone)]
pub enum Way {
    /// SSH on the SSH port; the user name says where to.
    Direct,
    /// `CONNECT` names the node; the user name is the login.
    Connect(NodeRef),
    /// In a `direct-tcpip` channel to the node, of a connection that leads to none (`ssh -J`).
    Jump(NodeRef),
    /// Behind the subsystem `proxy:NODE:PORT` of such a connection.
    Proxy(NodeRef),
}

impl Way {
    /// The word for the audit.
    fn name(&self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Connect(_) => "connect",
            Self::Jump(_) => "jump",
            Self::Proxy(_) => "proxy",
        }
    }

    /// The node, where the way names it.
    fn node(&self) -> Option<&NodeRef> {
        match self {
            Self::Direct => None,
            Self::Connect(node) | Self::Jump(node) | Self::Proxy(node) => Some(node),
        }
    }
}

/// A client whose first bytes have been understood.
pub struct Arrival {
    /// Its socket.
    pub socket: Socket,
    /// Bytes of SSH that were read already.
    pub read: Vec<u8>,
    /// Where it comes from: the peer, or what a listed load balancer says.
    pub source: SocketAddr,
    /// How it has come in.
    pub way: Way,
    /// The connection that it is inside of, where it is.
    pub via: Option<Uuid>,
    /// Its place among those that have not authenticated.
    pub ticket: Ticket,
    /// When it was accepted: the deadlines count from then.
    pub accepted: Instant,
}

/// Who is at the other end of a connection, for the audit and for people.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The connection's id.
    pub(crate) id: Uuid,
    /// Where it comes from.
    pub(crate) source: SocketAddr,
    /// How it has come in.
    pub(crate) way: Way,
    /// The connection that it is inside of, where it is.
    pub(crate) via: Option<Uuid>,
}

impl Origin {
    /// A line for the person in the one form of semantics section 9.
    pub(crate) fn line(&self, text: &str) -> String {
        let id = self.id.simple().to_string();
        let text = text.strip_prefix("mezite: ").unwrap_or(text);
        format!("mezite: {} [conn {}]", text.trim_end_matches('.'), id.get(..8).unwrap_or(&id))
    }
}

impl Services {
    /// Serves one client until its connection is over.
    pub async fn serve(self: Arc<Self>, arrival: Arrival) {
        let Arrival { socket, read, source, way, via, ticket, accepted } = arrival;
        let origin = Origin { id: Uuid::new_v4(), source, way, via };
        let node = origin.way.node().map(|node| node.host.clone());
        let host_keys = match self.shared.authority.host_keys(node).await {
            Ok(keys) => keys,
            Err(error) => return log::error!(error:%; "no host key for a connection"),
        };
        let config = server::Config { host_keys, limits: self.limits.clone() };
        let mut engine = Server::new(config, accepted);
        let space = engine.receive_space();
        let count = read.len().min(space.len());
        space[..count].copy_from_slice(&read[..count]);
        engine.handle_received(count, Instant::now());
        let mut leg = Leg::new(engine, socket);
        let mut authentication = Authentication::new(&self, origin.clone());
        let cut = ticket.cut().wait();
        // Boxed: what authentication needs is given back before the long life of the relay begins.
        let entering = Box::pin(race(authentication.run(&mut leg), cut));
        let Either::Left(entered) = entering.await else { return };
        let startups = ticket.give_back();
        match entered {
            Ok(Admitted::Node(entered)) => Box::pin(self.clone().relay(leg, origin, *entered)).await,
            Ok(Admitted::Jump(visitor)) => Box::pin(self.clone().jump(leg, origin, *visitor, startups)).await,
            Err(error) => authentication.failed(&error),
        }
    }

    async fn relay(self: Arc<Self>, mut leg: Leg<Server>, origin: Origin, entered: Entered) {
        leg.engine.accept();
        let started = Instant::now();
        let terms = Terms {
            permits: entered.permits.clone(),
            own: own_sshd(&entered),
            forwards: entered.certificate.permits.port_forwarding
                || entered.certificate.permits.listed_forwarding,
        };
        let holding = entered.holding(&origin);
        let live = self.connections.enter(origin.id, holding.clone());
        self.cut_if_lost(origin.id, holding).await;
        let opened = events::Opened::new(&origin, &entered, &leg);
        let mut sight = Sight::new(&entered);
        sight.keep(&self);
        let Entered { grant, asked, certificate, dialled, .. } = entered;
        let holder = Holder { origin, asked, grant, certificate };
        let gate = ConnectionGate::new(self.clone(), holder, live, sight, dialled.witness);
        let relay = Relay::new(leg, dialled.leg, terms, gate);
        let Ended { end, gate, from_client, to_client } = relay.run().await;
        let closed = opened.closed(&end, gate.cut_reason(), from_client, to_client, started.elapsed());
        drop(gate);
        self.shared.auditor.note(closed);
    }
}

/// The sshd at the far end, to which forwarding would go round the recording.
fn own_sshd(entered: &Entered) -> OwnSshd {
    let node = &entered.grant.node;
    OwnSshd {
        port: entered.dialled.address.port(),
        names: vec![node.spec.hostname.to_string(), node.spec.addr.host.to_string()],
        addresses: vec![entered.dialled.address.ip()],
    }
}

/// A leg that ended because the client left is no failure of anybody.
fn is_goodbye(error: &LegError) -> bool {
    matches!(error, LegError::Closed | LegError::Engine(mezite_ssh::Error::Disconnected { .. }))
}
