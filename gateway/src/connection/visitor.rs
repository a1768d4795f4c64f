//! A client that names no node: it has proved who it is, and its channels lead to nodes (`ssh -J`, `proxy:NODE:PORT`).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::FutureExt as _;
use mezite_api::{User, UserName};
use mezite_ca::{UserCertificate, Verified};
use mezite_ssh::server::Server;

use super::authentication::Authentication;
use super::live::LiveConnection;
use super::{Arrival, Origin, Services, events, is_goodbye};
use crate::front::Startups;
use crate::inventory::{Holding, Refusal};
use crate::jump::{End, Gate, Inner, Jump};
use crate::leg::Leg;

/// Who it is.
pub(crate) struct Visitor {
    user: Arc<User>,
    holding: Holding,
}

impl Authentication<'_> {
    /// Lets in whoever has a good certificate: what it may reach is decided for each connection inside.
    pub(super) async fn visit(
        &mut self,
        name: UserName,
        certificate: Verified<UserCertificate>,
    ) -> Result<Visitor, String> {
        let subject = self.subject(&name, &certificate);
        let instance = subject.bot.as_ref().map(|shown| shown.instance);
        let credential = subject.credential.clone();
        let identified = if certificate.bot.is_some() && instance.is_none() {
            Err(Refusal::Generation)
        } else {
            self.services.inventory.identify(subject).await
        };
        let user = match identified {
            Ok(user) => user,
            Err(refusal) => {
                let event = events::refused(refusal.event_type(), &self.origin, refusal.reason());
                self.audit(event.with("actor", name.as_str())).await;
                return Err(refusal.user_line(&name));
            }
        };
        let shared = &self.services.shared;
        if !shared.is_ready() {
            return Err("access refused: this gateway is stopping. Try again in a moment".into());
        }
        let opening = events::jump_opening(&self.origin, &user.name, &certificate);
        if let Err(error) = shared.auditor.record(opening).await {
            log::error!(error:%; "a connection was refused because its audit event cannot be written");
            return Err("access refused: the audit log cannot be written. Ask an administrator".into());
        }
        let holding = Holding {
            user: user.name.clone(),
            user_id: user.id,
            instance,
            login: None,
            node: None,
            source: self.origin.source.ip(),
            credential,
            sessions: Vec::new(),
            ca_keys: vec![certificate.signed_by.fingerprint()],
        };
        Ok(Visitor { user, holding })
    }
}

/// The jump's gate: serves what comes in through it, and tells the audit.
struct JumpGate {
    services: Arc<Services>,
    startups: Startups,
    origin: Origin,
    user: UserName,
    live: LiveConnection,
    cut_reason: Option<&'static str>,
}

impl Gate for JumpGate {
    fn enter(&mut self, inner: Inner) {
        let source = self.origin.source;
        let arrival = Arrival {
            socket: inner.pipe.into(),
            read: Vec::new(),
            source,
            way: inner.way,
            via: Some(self.origin.id),
            ticket: self.startups.enter(source.ip()),
            accepted: Instant::now(),
        };
        // Boxed as what it is, or the compiler would look for the end of connections inside connections.
        mezite_actors::spawn("connection", self.services.clone().serve(arrival).boxed()).detach();
    }

    fn refused(&mut self, what: String) {
        self.services.shared.auditor.note(events::jump_refused(&self.origin, &self.user, &what));
    }

    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        if Pin::new(self.live.cut()).poll(cx).is_pending() {
            return Poll::Pending;
        }
        let cut = self.live.why();
        self.cut_reason = Some(cut.as_ref().map_or("cut", |cut| cut.reason));
        Poll::Ready(self.origin.line(cut.as_ref().map_or("disconnected", |cut| &cut.line)))
    }
}

impl Services {
    /// Serves a client whose channels lead to nodes.
    pub(super) async fn jump(
        self: Arc<Self>,
        mut leg: Leg<Server>,
        origin: Origin,
        visitor: Visitor,
        startups: Startups,
    ) {
        leg.engine.accept();
        let Visitor { user, holding } = visitor;
        let live = self.connections.enter(origin.id, holding.clone());
        self.cut_if_lost(origin.id, holding).await;
        let (services, user) = (self.clone(), user.name.clone());
        let gate = JumpGate { services, startups, origin: origin.clone(), user, live, cut_reason: None };
        let cluster = self.shared.config.cluster_name.clone();
        let (end, from_client, to_client, gate) = Jump::new(leg, cluster, gate).run().await;
        let reason = match &end {
            End::Leg(error) if is_goodbye(error) => "client".to_owned(),
            End::Leg(error) => format!("client: {}", mezite_api::escape(error.to_string())),
            End::Violation(fault) => format!("client: {fault}"),
            End::Cut(_) => gate.cut_reason.unwrap_or("cut").to_owned(),
        };
        let closed = events::jump_closed(&origin, &gate.user, &reason, (from_client, to_client));
        drop(gate);
        self.shared.auditor.note(closed);
    }
}
