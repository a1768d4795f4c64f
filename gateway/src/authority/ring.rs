//! The keys of one SSH CA: the one that signs and, while the CA is rotated, a second one. How they lie in the store.
//!
//! `KIND/active` holds the key that signs, as it always did. `KIND/rotation` holds the phase, the second key and what
//! comes by itself; a store that was never rotated has none. A step writes both in one commit, which requires both at the
//! revision at which they were read.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mezite_api::rotation::{RotationPhase, RotationStep};
use mezite_ca::{CaKind, KeyAlgorithm, PublicKey, SealedCaKey, SealingKey, SshCaKey, TrustedSet};
use mezite_store::{Batch, Keyspace, Precondition, Revision, Store};
use serde::{Deserialize, Serialize};

use super::keys::{KeysError, active, read_versioned, stored};

/// The version of the record.
const VERSION: u32 = 1;

/// The keys of a CA.
#[derive(Clone)]
pub(super) struct Ring {
    active: Arc<SshCaKey>,
    position: Position,
    since: Timestamp,
    active_revision: Revision,
    rotation_revision: Option<Revision>,
}

/// Where it stands.
#[derive(Clone)]
pub(super) enum Position {
    /// The active key is the only one.
    Standby,
    /// The next one is published.
    Prepare { next: Arc<SshCaKey>, automatic: Option<Automatic> },
    /// The one before is still trusted.
    Activate { old: Arc<SshCaKey>, automatic: Option<Automatic> },
}

/// The next step comes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Automatic {
    /// So long after the step before, in seconds.
    grace: u64,
    /// When it is due.
    pub due: Timestamp,
    /// It was due and could not be taken.
    pub refused: bool,
}

/// What is done to a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A step in order.
    Step(RotationStep),
    /// A new key in the place of all.
    Replace,
    /// The step that was due could not be taken; only this is noted.
    NoteRefused,
}

/// The second key and what goes with it, as it is stored.
#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    since: Timestamp,
    #[serde(flatten)]
    position: StoredPosition,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "lowercase")]
enum StoredPosition {
    Standby,
    Prepare { next: SealedCaKey, automatic: Option<Automatic> },
    Activate { old: SealedCaKey, automatic: Option<Automatic> },
}

impl Automatic {
    /// So long from `now`.
    pub fn after(grace: Duration, now: Timestamp) -> Self {
        let wait = SignedDuration::try_from(grace).unwrap_or(SignedDuration::MAX);
        let due = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        Self { grace: grace.as_secs(), due, refused: false }
    }

    /// The same for the step after this one.
    fn again(self, now: Timestamp) -> Self {
        Self::after(Duration::from_secs(self.grace), now)
    }
}

impl Ring {
    /// A fresh one.
    pub(super) fn generate(kind: CaKind, algorithm: KeyAlgorithm, now: Timestamp) -> Result<Self, KeysError> {
        let active = Arc::new(SshCaKey::generate(kind, algorithm, now)?);
        let position = Position::Standby;
        Ok(Self { active, position, since: now, active_revision: 0, rotation_revision: None })
    }

    /// The one in the store.
    pub(super) fn open(store: &Store, kind: CaKind, sealing: &SealingKey) -> Result<Self, KeysError> {
        let what = format!("{kind} CA key");
        let (sealed, active_revision): (SealedCaKey, _) =
            read_versioned(store, Keyspace::Keys, &active(kind), &what)?;
        let key = |sealed: &SealedCaKey| {
            if sealed.kind != kind {
                return Err(damaged(kind, "it holds a key of another CA"));
            }
            Ok::<_, KeysError>(Arc::new(sealed.open(sealing)?))
        };
        let active = key(&sealed)?;
        if store.get(Keyspace::Keys, &rotation(kind))?.is_none() {
            let since = active.created();
            let position = Position::Standby;
            return Ok(Self { active, position, since, active_revision, rotation_revision: None });
        }
        let what = format!("{kind} CA rotation");
        let (record, revision): (Record, _) = read_versioned(store, Keyspace::Keys, &rotation(kind), &what)?;
        if record.version != VERSION {
            return Err(damaged(kind, "it is of a newer release"));
        }
        let position = match record.position {
            StoredPosition::Standby => Position::Standby,
            StoredPosition::Prepare { next, automatic } => Position::Prepare { next: key(&next)?, automatic },
            StoredPosition::Activate { old, automatic } => Position::Activate { old: key(&old)?, automatic },
        };
        Ok(Self { active, position, since: record.since, active_revision, rotation_revision: Some(revision) })
    }

    /// The key that signs.
    pub(super) fn active(&self) -> &SshCaKey {
        &self.active
    }

    /// The second key.
    pub(super) fn further(&self) -> Option<&SshCaKey> {
        match &self.position {
            Position::Standby => None,
            Position::Prepare { next, .. } => Some(next),
            Position::Activate { old, .. } => Some(old),
        }
    }

    /// Every key, the one that signs first.
    pub(super) fn keys(&self) -> impl Iterator<Item = &SshCaKey> {
        std::iter::once(self.active()).chain(self.further())
    }

    /// What is believed, and published. A key that was prepared is believed before it signs: of several gateways one is
    /// the first to sign with it.
    pub(super) fn trusted(&self) -> TrustedSet {
        let keys: Vec<PublicKey> = self.keys().map(|key| key.public().clone()).collect();
        TrustedSet::new(self.active.kind(), keys)
    }

    pub(super) fn phase(&self) -> RotationPhase {
        match &self.position {
            Position::Standby => RotationPhase::Standby,
            Position::Prepare { .. } => RotationPhase::Prepare,
            Position::Activate { .. } => RotationPhase::Activate,
        }
    }

    pub(super) fn since(&self) -> Timestamp {
        self.since
    }

    pub(super) fn automatic(&self) -> Option<Automatic> {
        match self.position {
            Position::Standby => None,
            Position::Prepare { automatic, .. } | Position::Activate { automatic, .. } => automatic,
        }
    }

    /// Changes with every step and never comes back.
    pub(super) fn revision(&self) -> Revision {
        self.rotation_revision.unwrap_or(self.active_revision)
    }

    /// The ring after a turn; nothing where the turn is not possible. `automatic`: what comes by itself then, by default
    /// what was said before.
    pub(super) fn turned(
        &self,
        turn: Turn,
        automatic: Option<Automatic>,
        algorithm: KeyAlgorithm,
        now: Timestamp,
    ) -> Result<Option<Self>, KeysError> {
        let kind = self.active.kind();
        let fresh = || Ok::<_, KeysError>(Arc::new(SshCaKey::generate(kind, algorithm, now)?));
        let automatic = automatic.or_else(|| self.automatic().map(|automatic| automatic.again(now)));
        let (active, position) = match (turn, &self.position) {
            (Turn::Replace, _) => (fresh()?, Position::Standby),
            (Turn::Step(RotationStep::Prepare), Position::Standby) => {
                (self.active.clone(), Position::Prepare { next: fresh()?, automatic })
            }
            (Turn::Step(RotationStep::Activate), Position::Prepare { next, .. }) => {
                (next.clone(), Position::Activate { old: self.active.clone(), automatic })
            }
            (Turn::Step(RotationStep::Rollback), Position::Activate { old, .. }) => {
                (old.clone(), Position::Standby)
            }
            (Turn::Step(RotationStep::Finish), Position::Activate { .. })
            | (Turn::Step(RotationStep::Rollback), Position::Prepare { .. }) => {
                (self.active.clone(), Position::Standby)
            }
            (Turn::NoteRefused, position) => {
                let mut position = position.clone();
                if let Position::Prepare { automatic: Some(automatic), .. }
                | Position::Activate { automatic: Some(automatic), .. } = &mut position
                {
                    automatic.refused = true;
                }
                return Ok(Some(Self { position, ..self.clone() }));
            }
            (Turn::Step(_), _) => return Ok(None),
        };
        Ok(Some(Self { active, position, since: now, ..self.clone() }))
    }

    /// Adds what leads from this ring to `next` to a batch.
    pub(super) fn write(&self, next: &Self, batch: Batch, sealing: &SealingKey) -> Result<Batch, KeysError> {
        let kind = self.active.kind();
        let (active_key, rotation_key) = (active(kind), rotation(kind));
        let before = self.rotation_revision.map_or(Precondition::Absent, Precondition::Revision);
        let mut batch = batch
            .require(Keyspace::Keys, &active_key, Precondition::Revision(self.active_revision))
            .require(Keyspace::Keys, &rotation_key, before)
            .put(Keyspace::Keys, &rotation_key, stored(&next.record(sealing)?));
        if next.active.public() != self.active.public() {
            batch = batch.put(Keyspace::Keys, &active_key, stored(&next.active.seal(sealing)?));
        }
        Ok(batch)
    }

    /// The ring as it lies in the store after the commit of [`write`](Self::write).
    pub(super) fn committed(self, before: &Self, revision: Revision) -> Self {
        let same = self.active.public() == before.active.public();
        let active_revision = if same { before.active_revision } else { revision };
        Self { active_revision, rotation_revision: Some(revision), ..self }
    }

    /// The same for one that was just made.
    pub(super) fn created(&mut self, revision: Revision) {
        self.active_revision = revision;
    }

    fn record(&self, sealing: &SealingKey) -> Result<Record, KeysError> {
        let position = match &self.position {
            Position::Standby => StoredPosition::Standby,
            Position::Prepare { next, automatic } => {
                StoredPosition::Prepare { next: next.seal(sealing)?, automatic: *automatic }
            }
            Position::Activate { old, automatic } => {
                StoredPosition::Activate { old: old.seal(sealing)?, automatic: *automatic }
            }
        };
        Ok(Record { version: VERSION, since: self.since, position })
    }
}

fn rotation(kind: CaKind) -> Vec<u8> {
    format!("{kind}/rotation").into_bytes()
}

fn damaged(kind: CaKind, why: &str) -> KeysError {
    let error = serde::de::Error::custom(why);
    KeysError::Damaged { what: format!("{kind} CA rotation"), error }
}
