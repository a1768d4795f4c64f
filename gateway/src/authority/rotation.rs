//! What the authority does when a CA is rotated: the step is committed, then everything here follows it.

use std::time::SystemTime;

use jiff::Timestamp;
use mezite_actors::Reply;
use mezite_api::rotation::{CaKeyInfo, RotationPhase};
use mezite_ca::{CaKind, NodeLegCredential, SshCaKey};
use mezite_store::{AuditEntry, Batch, CommitError, Revision};

use super::keys::{Keys, KeysError};
use super::ring::Ring;
use super::{
    ASK_TIME, Authority, AuthorityError, Automatic, Message, NodeCa, NodeCredentialOrder, Signer, Turn,
};

/// Where a CA stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaState {
    /// Which.
    pub ca: CaKind,
    /// The phase.
    pub phase: RotationPhase,
    /// Since when.
    pub since: Timestamp,
    /// Of what is stored about it.
    pub revision: Revision,
    /// The key that signs.
    pub active: CaKeyInfo,
    /// The second one.
    pub further: Option<CaKeyInfo>,
    /// The step that comes by itself.
    pub automatic: Option<Automatic>,
}

impl CaState {
    /// The key that is to stay, while there are two.
    pub fn new_key(&self) -> Option<&CaKeyInfo> {
        match self.phase {
            RotationPhase::Standby => None,
            RotationPhase::Prepare => self.further.as_ref(),
            RotationPhase::Activate => Some(&self.active),
        }
    }

    /// The key that is to go, while there are two.
    pub fn old_key(&self) -> Option<&CaKeyInfo> {
        match self.phase {
            RotationPhase::Standby => None,
            RotationPhase::Prepare => Some(&self.active),
            RotationPhase::Activate => self.further.as_ref(),
        }
    }

    /// Every key that is trusted.
    pub fn keys(&self) -> impl Iterator<Item = &CaKeyInfo> {
        std::iter::once(&self.active).chain(&self.further)
    }
}

/// Asks for a turn.
#[derive(Debug, Clone)]
pub struct TurnOrder {
    /// Of which CA.
    pub ca: CaKind,
    /// Which.
    pub turn: Turn,
    /// The revision of the state that was looked at.
    pub revision: Revision,
    /// What comes by itself then, where it is said anew.
    pub automatic: Option<Automatic>,
    /// The event; what the turn was is added to it.
    pub event: AuditEntry,
}

/// Why a turn was not made. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// It has no keys of this form.
    #[error("the {0} CA cannot be rotated")]
    NotSsh(CaKind),
    /// The turn does not follow the phase.
    #[error("not possible in this phase")]
    Phase,
    /// Somebody was faster.
    #[error("the CA was rotated meanwhile; look at it again")]
    Changed,
    /// Keys could not be made or sealed.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The store did not take it.
    #[error(transparent)]
    Commit(CommitError),
    /// The authority did not answer.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

/// A credential to ask a node with whether it trusts a key. Nobody logs in with it.
pub struct QueryCredential {
    /// The CA.
    pub ca: CaKind,
    /// Whether its key is the one that signs.
    pub active: bool,
    /// Key and certificate.
    pub credential: NodeLegCredential,
}

impl Authority {
    /// Where a CA stands.
    pub async fn state(&self, ca: CaKind) -> Result<CaState, TurnError> {
        let state = self.addr.ask(|reply| Message::State(ca, reply), ASK_TIME).await;
        state.map_err(AuthorityError::from)?.ok_or(TurnError::NotSsh(ca))
    }

    /// Whether all these keys of our CAs, by their fingerprints, are believed now.
    pub async fn trusts(&self, keys: Vec<String>) -> Result<bool, AuthorityError> {
        Ok(self.addr.ask(|reply| Message::Trusts(keys, reply), ASK_TIME).await?)
    }

    /// Makes a turn: it is on disk when this answers, and holds for everything that is asked from then on.
    pub async fn turn(&self, order: TurnOrder) -> Result<CaState, TurnError> {
        let turned = self.addr.ask(|reply| Message::Turn(Box::new(order), reply), ASK_TIME).await;
        turned.map_err(AuthorityError::from)?
    }

    /// Credentials by every key of the User and the OpenSSH CA, to ask a node which of them it trusts.
    pub async fn query_credentials(
        &self,
        order: NodeCredentialOrder,
    ) -> Result<Vec<QueryCredential>, AuthorityError> {
        self.addr.ask(|reply| Message::QueryCredentials(Box::new(order), reply), ASK_TIME).await?
    }
}

impl Signer {
    pub(super) fn state(&self, ca: CaKind) -> Option<CaState> {
        self.keys.ring(ca).map(|ring| state(ca, ring))
    }

    pub(super) fn trusts(&self, keys: &[String]) -> bool {
        let rings = [&self.keys.user, &self.keys.openssh, &self.keys.host];
        let trusted: Vec<String> =
            rings.iter().flat_map(|ring| ring.keys()).map(|key| key.public().fingerprint()).collect();
        keys.iter().all(|key| trusted.contains(key))
    }

    /// Memory follows the commit: what dies in between finds the new keys in the store.
    pub(super) async fn turn(&mut self, order: TurnOrder, reply: Reply<Result<CaState, TurnError>>) {
        let TurnOrder { ca, turn, revision, automatic, event } = order;
        reply.answer(self.turned(ca, turn, revision, automatic, event).await);
    }

    async fn turned(
        &mut self,
        ca: CaKind,
        turn: Turn,
        revision: Revision,
        automatic: Option<Automatic>,
        event: AuditEntry,
    ) -> Result<CaState, TurnError> {
        let ring = self.keys.ring(ca).ok_or(TurnError::NotSsh(ca))?;
        if ring.revision() != revision {
            return Err(TurnError::Changed);
        }
        let next = ring.turned(turn, automatic, self.algorithm, Timestamp::now())?.ok_or(TurnError::Phase)?;
        let event = event
            .with("ca", ca.as_str())
            .with("phase", next.phase().as_str())
            .with("old_phase", ring.phase().as_str())
            .with("active", next.active().public().fingerprint())
            .with("trusted", next.keys().map(|key| key.public().fingerprint()).collect::<Vec<_>>())
            .with("given_up", given_up(ring, &next));
        let batch = ring.write(&next, Batch::new().audit(event), &self.keys.sealing)?;
        let committed = self.store.commit(batch).await.map_err(|error| match error {
            CommitError::Conflict { .. } => TurnError::Changed,
            other => TurnError::Commit(other),
        })?;
        let next = next.committed(ring, committed);
        let state = state(ca, &next);
        self.take(Keys::clone(&self.keys).with(ca, next));
        Ok(state)
    }

    pub(super) fn query_credentials(
        &self,
        order: &NodeCredentialOrder,
    ) -> Result<Vec<QueryCredential>, AuthorityError> {
        let mut credentials = Vec::new();
        for (ca, ring) in [(NodeCa::OpenSsh, &self.keys.openssh), (NodeCa::User, &self.keys.user)] {
            for key in ring.keys() {
                let order = NodeCredentialOrder { ca, ..order.clone() };
                credentials.push(QueryCredential {
                    ca: key.kind(),
                    active: key.public() == ring.active().public(),
                    credential: super::node_credential(key, self.algorithm, &order, SystemTime::now())?,
                });
            }
        }
        Ok(credentials)
    }
}

fn given_up(before: &Ring, after: &Ring) -> Vec<String> {
    let gone = |key: &&SshCaKey| after.keys().all(|other| other.public() != key.public());
    before.keys().filter(gone).map(|key| key.public().fingerprint()).collect()
}

fn state(ca: CaKind, ring: &Ring) -> CaState {
    CaState {
        ca,
        phase: ring.phase(),
        since: ring.since(),
        revision: ring.revision(),
        active: info(ring.active()),
        further: ring.further().map(info),
        automatic: ring.automatic(),
    }
}

fn info(key: &SshCaKey) -> CaKeyInfo {
    CaKeyInfo {
        fingerprint: key.public().fingerprint(),
        algorithm: key.algorithm().as_str().to_owned(),
        created: key.created(),
    }
}
