//! A pair that is asked for. Its key and its request are on disk before the gateway hears of them: who starts again asks the
//! same, and gets the same answer.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ATTEMPT, Destination, FILE_MAX, NEXT};
use crate::IdentityError;
use crate::key::Key;

/// So long the gateway answers the same request in the same way.
const SAME_ANSWER: SignedDuration = SignedDuration::from_mins(10);

/// A pair that is asked for: written down before the gateway hears of it, so that who starts again asks the same.
pub(crate) struct Attempt {
    pub(crate) key: Key,
    pub(crate) request: Uuid,
    pub(crate) key_created: Timestamp,
}

/// What is written down of an attempt beside its key.
#[derive(Serialize, Deserialize)]
struct AttemptRecord {
    request: Uuid,
    started: Timestamp,
    key_created: Timestamp,
    /// What it is for: the token's digest, or the instance and generation that is renewed.
    purpose: String,
}

impl Destination {
    /// The attempt that was under way for the same purpose, when it began a moment ago; else a new one, with its key
    /// and request on disk.
    pub(crate) fn attempt(
        &self,
        purpose: &str,
        now: Timestamp,
        key: impl FnOnce() -> Result<(Key, Timestamp), IdentityError>,
    ) -> Result<Attempt, IdentityError> {
        if let Some(attempt) = self.unfinished(purpose, now)? {
            return Ok(attempt);
        }
        self.folder.remove_folder(NEXT).map_err(self.failed(NEXT))?;
        let (key, key_created) = key()?;
        let record =
            AttemptRecord { request: Uuid::new_v4(), started: now, key_created, purpose: purpose.to_owned() };
        let text = serde_json::to_vec(&record).unwrap_or_default();
        let next = self.folder.make(NEXT).map_err(self.failed(NEXT))?;
        next.create("ssh_key", key.openssh()?.as_bytes()).map_err(self.failed("next/ssh_key"))?;
        next.create(ATTEMPT, &text).map_err(self.failed("next/attempt.json"))?;
        next.sync().map_err(self.failed(NEXT))?;
        self.folder.sync().map_err(self.failed(""))?;
        Ok(Attempt { key, request: record.request, key_created })
    }

    /// An attempt that a process before this one has left, with nothing but its key and request.
    fn unfinished(&self, purpose: &str, now: Timestamp) -> Result<Option<Attempt>, IdentityError> {
        let Ok(next) = self.folder.folder(NEXT) else { return Ok(None) };
        let (Ok(Some(text)), Ok(Some(key))) = (next.read(ATTEMPT, FILE_MAX), next.read("ssh_key", FILE_MAX))
        else {
            return Ok(None);
        };
        let (Ok(record), Ok(key)) = (serde_json::from_slice::<AttemptRecord>(&text), Key::parse(&key)) else {
            return Ok(None);
        };
        let age = now.duration_since(record.started).abs();
        if record.purpose != purpose || age > SAME_ANSWER {
            return Ok(None);
        }
        // What was written after the request is written again.
        for name in next.names().map_err(self.failed(NEXT))? {
            if name != ATTEMPT && name != "ssh_key" {
                next.remove(&name).map_err(self.failed(&name))?;
            }
        }
        let AttemptRecord { request, key_created, .. } = record;
        Ok(Some(Attempt { key, request, key_created }))
    }

    /// Forgets an attempt: what comes next is asked anew.
    pub(crate) fn give_up(&self) -> Result<(), IdentityError> {
        self.folder.remove_folder(NEXT).map_err(self.failed(NEXT))
    }
}
