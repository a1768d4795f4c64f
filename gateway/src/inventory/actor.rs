//! The actor: keeps the memory up to date and answers from it.

use std::net::IpAddr;
use std::sync::Arc;

use mezite_access::{Issuance, Resource, Verb};
use mezite_actors::{Actor, Context, Kind, Rank, Reply};
use mezite_api::explain::Explanation;
use mezite_api::{Target, User, UserName};
use mezite_store::{Store, Watch};
use uuid::Uuid;

use super::InventoryError;
use super::access::{AccessRequest, Credential, Grant, Holding, Refusal, Subject};
use super::memory::Memory;
use super::reach::Reach;
use super::view::View;

/// What the actor understands.
pub(super) enum Message {
    Identify(Subject, Reply<Result<Arc<User>, Refusal>>),
    Authorize(Box<AccessRequest>, Reply<Result<Grant, Refusal>>),
    Explain(UserName, Box<Target>, Reply<Result<Explanation, InventoryError>>),
    Issuance(UserName, Option<IpAddr>, Reply<Result<Issuance, Refusal>>),
    BotIssuance(
        UserName,
        IpAddr,
        Option<Uuid>,
        Option<Credential>,
        Reply<Result<(Arc<User>, Issuance), Refusal>>,
    ),
    Reach(Subject, Reply<Result<Reach, Refusal>>),
    Permits(Subject, Resource, Verb, Reply<Result<bool, Refusal>>),
    Lost(Vec<(Uuid, Holding)>, Reply<Result<Vec<(Uuid, Refusal)>, InventoryError>>),
}

/// Decides from memory, and from the store where it is about nodes.
pub(super) struct Decider {
    store: Store,
    cluster: Arc<str>,
    /// Nothing before the first question, and after a failure to read.
    current: Option<(Memory, Watch)>,
}

impl Decider {
    pub(super) fn new(store: Store, cluster: Arc<str>) -> Self {
        Self { store, cluster, current: None }
    }

    /// What is committed up to now.
    fn view(&mut self) -> Result<View<'_>, InventoryError> {
        let (mut memory, mut watch) = match self.current.take() {
            Some(current) => current,
            None => self.load()?,
        };
        while let Some(change) = watch.try_next() {
            if let Ok(change) = change {
                memory.follow(&change);
            } else {
                // Changes were missed.
                (memory, watch) = self.load()?;
            }
        }
        let (memory, _) = self.current.insert((memory, watch));
        Ok(View { memory, store: &self.store, cluster: &self.cluster })
    }

    fn load(&self) -> Result<(Memory, Watch), InventoryError> {
        let memory = Memory::load(&self.store)?;
        let watch = self.store.watch(memory.revision());
        Ok((memory, watch))
    }

    fn decide<R>(&mut self, decision: impl FnOnce(&View<'_>) -> Result<R, Refusal>) -> Result<R, Refusal> {
        match self.view() {
            Ok(view) => decision(&view),
            Err(error) => Err(Refusal::Unavailable(error.to_string())),
        }
    }
}

impl Actor for Decider {
    const KIND: Kind = Kind { name: "inventory", rank: Rank::Inventory, capacity: 4096 };
    type Msg = Message;

    async fn handle(&mut self, message: Message, _: &mut Context<Message>) {
        match message {
            Message::Identify(subject, reply) => reply.answer(self.decide(|view| view.identify(&subject))),
            Message::Authorize(request, reply) => reply.answer(self.decide(|view| view.authorize(&request))),
            Message::Explain(user, target, reply) => {
                reply.answer(self.view().and_then(|view| view.explain(&user, &target)));
            }
            Message::Issuance(user, source, reply) => {
                reply.answer(self.decide(|view| view.issuance(&user, source)));
            }
            Message::Lost(connections, reply) => {
                reply.answer(self.view().map(|view| view.lost(connections)));
            }
            Message::BotIssuance(bot, source, instance, shown, reply) => {
                let shown = shown.as_ref();
                reply.answer(self.decide(|view| view.bot_issuance(&bot, source, instance, shown)));
            }
            Message::Reach(subject, reply) => reply.answer(self.decide(|view| view.reach(&subject))),
            Message::Permits(subject, resource, verb, reply) => {
                reply.answer(self.decide(|view| view.permits(&subject, resource, verb)));
            }
        }
    }
}
